import { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { AppError } from '../../shared/errors/app-error.ts';
import { answerNoHttp } from './answer-no-http.ts';

const DRAIN_MS = 5_000;
const LOOK_MS = 20;
const UPLOAD_MS = 60 * 60_000;
const HEADERS_MS = 20_000;

/** A server that listens. */
export interface Listener {
  /** `http://HOST:PORT`. */
  readonly address: string;
  /** Takes no new connection, lets answers finish for a moment, then closes. */
  close(): Promise<void>;
}

/** Listens with an app. Throws AppError SERVE_REFUSED when the address cannot be had. */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  at: { readonly host: string; readonly port: number },
): Promise<Listener> {
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false });
  if ('headersTimeout' in server) {
    server.headersTimeout = HEADERS_MS;
    server.requestTimeout = UPLOAD_MS;
  }
  if (server instanceof Server) answerNoHttp(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => resolve());
  }).catch((error: unknown) => {
    throw new AppError(
      'SERVE_REFUSED',
      `Cannot listen on ${at.host}:${at.port}: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'Choose another with --port (0 takes a free one) or --host.',
        cause: error,
      },
    );
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        if (!('closeAllConnections' in server)) {
          server.close(() => resolve());
          return;
        }
        // A connection whose answer has just ended stays open for a next request otherwise.
        const look = setInterval(() => server.closeIdleConnections(), LOOK_MS);
        const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
        server.close(() => {
          clearInterval(look);
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}
