import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { toErrorBody } from '../../shared/api/error.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { systemRandom } from '../runtime/system.ts';

/**
 * Answers in the one error form, and hangs up, where the server cannot read a request: what is no HTTP, headers
 * without end, a body that broke off. Such a request never reaches the app.
 */
export function answerNoHttp(server: Server): void {
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request: IncomingMessage, response) => {
    answers.set(request.socket, response);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answer = answers.get(socket);
    // Into an answer that has begun nothing else may be written.
    const isAnswering = answer?.headersSent === true && !answer.writableFinished;
    if (!socket.writable || isAnswering) socket.destroy();
    else socket.end(refusalText(refusalOf(error)));
  });
}

function refusalOf(error: NodeJS.ErrnoException): AppError {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new AppError('REQUEST_TOO_LARGE', 'The headers of the request are too long.', {
      hint: 'Send at most 16 KiB of headers, the address included.',
      cause: error,
    });
  }
  return new AppError('REQUEST_INVALID', `This is no whole HTTP request: ${error.message}.`, {
    hint: 'Speak HTTP/1.1, without TLS, and send as many bytes as the request declares.',
    cause: error,
  });
}

function refusalText(error: AppError): string {
  const requestId = systemRandom.id();
  const body = JSON.stringify(toErrorBody(error, requestId));
  const head = [
    `HTTP/1.1 ${error.status} ${error.code}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
