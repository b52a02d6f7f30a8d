import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { http } from '@google-cloud/functions-framework';
import { toErrorBody } from '../shared/api/error.ts';
import { AppError, isAppError } from '../shared/errors/app-error.ts';
import { createHostedLog } from './hosted/hosted-log.ts';

/** Answers a request of Node's. */
type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

// The framework decompresses and parses every body before anybody has looked at who is calling: a small one could fill the memory, and
// broken JSON is answered in its own form. So it is told that each body is plain bytes; the app reads the headers as they came.
subscribe('http.server.request.start', (event) => {
  const { request } = event as { readonly request: IncomingMessage };
  delete request.headers['content-encoding'];
  if (request.headers['content-type'] !== undefined) {
    request.headers['content-type'] = 'application/octet-stream';
  }
});

// Each function of the deployment is an instance of this file that loads only its own part, with the first request.
register('api', async () => (await import('./hosted/api-function.ts')).openApi());
register('worker', async () => (await import('./hosted/worker-function.ts')).openWorker());
register('builds', async () => (await import('./hosted/builds-function.ts')).openBuilds());
register('tick', async () => (await import('./hosted/tick-function.ts')).openTick());

function register(name: string, open: () => Promise<Listener>): void {
  let opening: Promise<Listener> | undefined;
  http(name, async (request, response) => {
    opening ??= open();
    let listener: Listener;
    try {
      listener = await opening;
    } catch (error) {
      // Asked again with the next request: what is mounted may come up late.
      opening = undefined;
      createHostedLog('error').error({ function: name, error }, 'the function cannot start');
      response.status(503).json(toErrorBody(closed(error), ''));
      return;
    }
    await listener(request, response);
  });
}

// Whoever asks needs no token: what is wrong is in the log alone.
function closed(error: unknown): AppError {
  const code = isAppError(error, 'SETTINGS_INVALID') ? 'SETTINGS_INVALID' : 'UNAVAILABLE';
  return new AppError(code, 'This service cannot start; its log says why.', {
    hint: 'Tell whoever runs it.',
  });
}
