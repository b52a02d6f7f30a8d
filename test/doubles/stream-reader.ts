import type { ManualClock } from './manual-clock.ts';

/** Reads a streamed answer while its service's clock goes on. */
export interface StreamReader {
  /** The next piece of text, or null at the end. */
  next(): Promise<string | null>;
  /** Everything until the text holds `wanted`; fails at the end of the stream. */
  readUntil(wanted: string): Promise<string>;
  /** Everything that is left. */
  rest(): Promise<string>;
  /** Goes away, as a client that closes its connection. */
  cancel(): Promise<void>;
}

/** A reader of an answer's body. */
export function streamReader(answer: Response, clock: ManualClock): StreamReader {
  if (answer.body === null) throw new Error('the answer has no body');
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();

  async function next(): Promise<string | null> {
    const { done, value } = await clock.until(reader.read());
    return done ? null : decoder.decode(value, { stream: true });
  }
  async function collect(isEnough: (text: string) => boolean): Promise<[string, boolean]> {
    let text = '';
    while (!isEnough(text)) {
      const piece = await next();
      if (piece === null) return [text, true];
      text += piece;
    }
    return [text, false];
  }
  return {
    next,
    async readUntil(wanted) {
      const [text, ended] = await collect((so) => so.includes(wanted));
      if (ended) throw new Error(`the stream ended without ${wanted}: ${text}`);
      return text;
    },
    rest: async () => (await collect(() => false))[0],
    cancel: () => reader.cancel(),
  };
}

/** One server-sent event. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

/** The events of a stream's text, comments left out. */
export function eventsIn(text: string): ReceivedEvent[] {
  return text.split('\n\n').flatMap((block) => {
    const fields = new Map(
      block.split('\n').map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)];
      }),
    );
    const event = fields.get('event');
    const data = fields.get('data');
    if (event === undefined || data === undefined) return [];
    return [{ event, id: fields.get('id') ?? '', data: JSON.parse(data) }];
  });
}
