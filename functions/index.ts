import type { IncomingMessage, ServerResponse } from 'node:http';
import { http } from '@google-cloud/functions-framework';

/** Answers a request of Node's. */
type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

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
      // Asked again with the next request: settings may be read from what comes up late.
      opening = undefined;
      response.status(503).json({ error: { code: 'UNAVAILABLE', message: String(error) } });
      return;
    }
    await listener(request, response);
  });
}
