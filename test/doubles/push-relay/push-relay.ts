import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveHttp } from '../../fixtures/loopback-server.ts';

/** A push on its way. */
export interface RelayedPush {
  readonly path: string;
  readonly body: string;
  /** Of this path: 1, 2, … */
  readonly count: number;
}

/** What becomes of a push. `lose-reply`: it is delivered, and the emulator told that it was not. */
export type PushFate = 'deliver' | 'twice' | 'twice-at-once' | 'drop' | 'lose-reply';

/** How pushes are relayed. */
export interface RelayOptions {
  /** URL of the function, without a slash at its end. */
  readonly target: string;
  /** The Authorization header for a path; undefined sends none. */
  readonly authorization: (path: string) => Promise<string | undefined>;
  /** Decides about each push, when it likes: until then it is held back. Default: deliver at once. */
  readonly fate?: (push: RelayedPush) => PushFate | Promise<PushFate>;
}

/** A running relay. */
export interface PushRelay {
  /** What subscriptions push to, without a slash at its end. */
  readonly url: string;
  /** Every delivery to the function and its status, in the order of the answers; 0: none came. */
  readonly delivered: readonly { readonly path: string; readonly status: number }[];
  close(): Promise<void>;
}

/** Starts what stands between the Pub/Sub emulator, which signs nothing, and a function that wants to know who pushes. */
export async function startPushRelay(options: RelayOptions): Promise<PushRelay> {
  const delivered: { path: string; status: number }[] = [];
  const counts = new Map<string, number>();
  const ending = new AbortController();

  async function deliver({ path, body }: RelayedPush): Promise<number> {
    const status = await forwarded(options, { path, body, signal: ending.signal });
    delivered.push({ path, status });
    return status;
  }

  async function relayed(push: RelayedPush): Promise<number> {
    const fate = (await options.fate?.(push)) ?? 'deliver';
    if (fate === 'drop') return 503;
    if (fate === 'twice-at-once') {
      return Math.max(...(await Promise.all([deliver(push), deliver(push)])));
    }
    const status = await deliver(push);
    if (fate === 'lose-reply') return 503;
    return fate === 'twice' ? deliver(push) : status;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    const status = await relayed({ path, body: await textOf(request), count });
    response.writeHead(status === 0 ? 502 : status).end();
  }

  const server = await serveHttp((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    delivered,
    async close() {
      ending.abort();
      await server.close();
    },
  };
}

/** Holds pushes back until there are so many, then lets them go, the last one first. */
export function reversedBy(count: number): () => Promise<PushFate> {
  let held: (() => void)[] = [];
  return async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held.push(resolve);
    if (held.length === count) {
      for (const release of held.toReversed()) {
        release();
        // The one let go is on its way before the next.
        await new Promise(setImmediate);
      }
      held = [];
    }
    await promise;
    return 'deliver';
  };
}

async function forwarded(
  { target, authorization }: RelayOptions,
  { path, body, signal }: { path: string; body: string; signal: AbortSignal },
): Promise<number> {
  const signed = await authorization(path);
  try {
    const answer = await fetch(`${target}${path}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(signed === undefined ? {} : { Authorization: signed }),
      },
      body,
      signal,
    });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 0;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(request, 'end');
  return text;
}
