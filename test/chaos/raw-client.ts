import { type ClientRequest, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { TOKEN } from './serve-process.ts';

/** One request. */
export interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly range: string | undefined;
}

const ANSWER_MS = 40_000;
const PATIENCE_MS = 120_000;
const PAUSE_MS = 50;

/** Sends the head of a request, on a connection of its own; the caller writes and ends the body. */
export function openRequest(address: string, asked: Asked): ClientRequest {
  const { method, path, headers, body } = asked;
  return httpRequest(new URL(path, address), {
    method,
    agent: false,
    timeout: ANSWER_MS,
    headers: {
      Authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'Content-Length': String(body.length) }),
      ...headers,
    },
  });
}

/** Sends a request. Rejects when the connection breaks. */
export function send(address: string, asked: Asked): Promise<Answer> {
  const sent = openRequest(address, asked);
  const answer = answerTo(sent);
  sent.end(asked.body);
  return answer;
}

/** The answer to a request whose body somebody else sends. */
export function answerTo(sent: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, text, range: headers['range'] });
      });
    });
  });
}

/** Sends a request again and again, as a client does that may repeat it, until the service answers it. */
export async function sendUntilAnswered(
  address: () => string,
  asked: Asked,
  isCancelled: () => boolean = () => false,
): Promise<Answer> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await send(address(), asked).catch((error: unknown) => String(error));
    if (typeof answer !== 'string' && answer.status < 500) return answer;
    if (isCancelled()) throw new Error('the client has gone');
    if (Date.now() > until)
      throw new Error(`no answer to ${asked.path}: ${JSON.stringify(answer)}`);
    await sleep(PAUSE_MS);
  }
}

/** A POST of JSON. */
export function post(path: string, json: unknown, headers: Asked['headers'] = {}): Asked {
  const body = Buffer.from(JSON.stringify(json));
  return {
    method: 'POST',
    path,
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  };
}
