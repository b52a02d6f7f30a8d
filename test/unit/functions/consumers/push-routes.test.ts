import { describe, test } from 'vitest';
import { createWorker, type WorkerOptions } from '../../../../functions/consumers/push-routes.ts';
import { getOne } from '../../../../functions/core/records.ts';
import { tick } from '../../../../functions/core/tick.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { aPush } from '../../../doubles/a-push.ts';
import { aSubmission, coreDeps, type TestDeps } from '../../../doubles/builders.ts';
import { allThatFollows } from '../../../doubles/manual-clock.ts';
import { saved, waitingMessages } from '../../../doubles/store-access.ts';

const STOP: Message = { kind: 'stop', submissionId: 's' };
const DEADLINE_MS = 60_000;

describe('worker', () => {
  test('answers 204 once the handler is done, not before', async ({ expect }) => {
    const gate = Promise.withResolvers<void>();
    const { push, handled } = bench({ handle: () => gate.promise });
    let status: number | undefined;
    const answered = push(aPush(STOP)).then((answer) => {
      status = answer.status;
    });
    await allThatFollows();
    expect([handled, status]).toEqual([[STOP], undefined]);
    gate.resolve();
    await answered;
    expect(status).toBe(204);
  });

  test('checks the caller before it reads anything else', async ({ expect }) => {
    const { app, handled, deps } = bench({
      caller: async (authorization) => {
        throw new AppError('UNAUTHENTICATED', `${authorization ?? 'nobody'} is refused.`);
      },
    });
    let reads = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull() {
          reads++;
        },
      },
      { highWaterMark: 0 },
    );
    const request = new Request('http://worker/internal/stop', {
      method: 'POST',
      body,
      duplex: 'half',
    } as RequestInit);
    const answer = await app.request(request);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Bearer/);
    expect([reads, handled, deps.commits]).toEqual([0, [], []]);
  });

  test('has nothing to hide from who is no caller: other paths are refused, too', async ({
    expect,
  }) => {
    const refuse = async () => {
      throw new AppError('FORBIDDEN', 'No.');
    };
    const { app } = bench({ caller: refuse });
    expect((await app.request('/internal/anything')).status).toBe(403);
    expect((await bench().app.request('/internal/stop')).status).toBe(404);
    expect((await bench().app.request('/elsewhere', { method: 'POST' })).status).toBe(404);
  });

  test('cannot tell who calls: the push comes again', async ({ expect }) => {
    const { push } = bench({
      caller: async () => {
        throw new AppError('UNAVAILABLE', 'The issuer does not answer.');
      },
    });
    expect((await push(aPush(STOP))).status).toBe(503);
  });

  test('refuses what it cannot read, and says so at the first delivery only', async ({
    expect,
  }) => {
    const { push, handled, deps } = bench();
    const broken = { ...aPush(STOP), message: { messageId: '1' } };
    expect((await push(broken)).status).toBe(400);
    expect((await push({ ...broken, deliveryAttempt: 2 })).status).toBe(400);
    expect((await push('no json', 'stop')).status).toBe(400);
    expect(handled).toEqual([]);
    expect(deps.logged).toEqual(['push cannot be read', 'push cannot be read']);
  });

  test('refuses a message of a newer service: another instance may know it', async ({ expect }) => {
    const { push, deps } = bench();
    const data = Buffer.from('{"schemaVersion":2,"kind":"stop"}').toString('base64');
    const newer = aPush(STOP, 20);
    const answer = await push({ ...newer, message: { ...newer.message, data } });
    expect(answer.status).toBe(422);
    expect(await waitingMessages(deps)).toEqual([]);
  });

  test('refuses a message at the path of another kind, and a body that is too large', async ({
    expect,
  }) => {
    const { push, handled } = bench();
    const wrong = await push(aPush(STOP), 'drain');
    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain('A message of kind stop came to /internal/drain.');
    expect((await push('x'.repeat(70_000), 'stop')).status).toBe(413);
    expect(handled).toEqual([]);
  });

  test('handles a message that is delivered twice twice, and that is harmless', async ({
    expect,
  }) => {
    const { push, handled } = bench();
    const answers = await Promise.all([push(aPush(STOP)), push(aPush(STOP))]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204]);
    expect(handled).toEqual([STOP, STOP]);
  });

  test('a handler that fails has its message delivered again; what failed is told', async ({
    expect,
  }) => {
    const { push, deps } = bench({ handle: () => Promise.reject(new Error('a secret thing')) });
    const answer = await push(aPush(STOP, 9));
    expect(answer.status).toBe(503);
    expect(await answer.text()).not.toContain('secret');
    expect(deps.logged).toEqual(['message put back']);
  });
});

describe('deadline of the worker', () => {
  test('tells the handler, which has five seconds to break off', async ({ expect }) => {
    let reason: unknown;
    const { push, deps } = bench({
      handle: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            deps.clock.sleep(1_000).then(() => reject(signal.reason), reject);
          });
        }),
    });
    const answered = push(aPush(STOP));
    await deps.clock.advance(DEADLINE_MS - 1);
    expect(reason).toBeUndefined();
    await deps.clock.advance(1);
    expect(reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await deps.clock.advance(1_000);
    expect((await answered).status).toBe(503);
    expect(deps.clock.sleeping()).toBe(0);
  });

  test('leaves behind a handler that does not', async ({ expect }) => {
    const { push, deps } = bench({ handle: () => new Promise(() => undefined) });
    const answered = push(aPush(STOP));
    await deps.clock.advance(DEADLINE_MS + 5_000);
    expect((await answered).status).toBe(503);
  });

  test('counts a handler that ends after all as done', async ({ expect }) => {
    const { push, deps } = bench({ handle: () => deps.clock.sleep(DEADLINE_MS + 4_000) });
    const answered = push(aPush(STOP));
    await deps.clock.advance(DEADLINE_MS + 4_000);
    expect((await answered).status).toBe(204);
    expect(deps.clock.sleeping()).toBe(0);
  });
});

describe('parking', () => {
  const IMAGE: Message = { kind: 'image', submissionId: 's' };

  test('what fails by itself for the tenth time is put aside, once, and tick ends what it stood for', async ({
    expect,
  }) => {
    const { push, deps } = bench({ handle: () => Promise.reject(new Error('broken')) });
    await saved(deps, 'submissions', aSubmission({ id: 's' }));
    expect((await push(aPush(IMAGE, 9))).status).toBe(503);
    for (let delivery = 0; delivery < 2; delivery++) {
      expect((await push(aPush(IMAGE, 10))).status).toBe(204);
    }
    const parked = await deps.store.list('parkedMessages', { parked: true }, { limit: 5 });
    expect(parked.items.map(({ value }) => value)).toEqual([
      expect.objectContaining({ message: IMAGE, attempts: 10, lastError: 'Error: broken' }),
    ]);
    await tick(deps);
    expect((await getOne(deps, 'submissions', 's'))?.value).toMatchObject({
      ending: 'requested',
      endingState: 'FAILED',
      endingCause: { code: 'image-failed', message: expect.stringContaining('broken') },
    });
    expect(await deps.store.count('parkedMessages', { parked: true })).toBe(0);
  });

  test('trouble of the host, or of a service it needs, is nobody’s fault', async ({ expect }) => {
    for (const code of ['UNAVAILABLE', 'STORE_BUSY', 'HOST_BUSY'] as const) {
      const { push, deps } = bench({
        handle: () => Promise.reject(new AppError(code, 'Not now.')),
      });
      expect((await push(aPush(IMAGE, 40))).status).toBe(503);
      expect(await deps.store.count('parkedMessages', { parked: true })).toBe(0);
    }
  });

  test('that cannot be written down has the message delivered again', async ({ expect }) => {
    const { push, deps } = bench({ handle: () => Promise.reject(new Error('broken')) });
    deps.store.commit = () => Promise.reject(new AppError('UNAVAILABLE', 'The store is away.'));
    expect((await push(aPush(IMAGE, 10))).status).toBe(503);
  });
});

interface Bench {
  readonly app: ReturnType<typeof createWorker>;
  readonly deps: TestDeps;
  readonly handled: Message[];
  push(body: unknown, kind?: string): Promise<Response>;
}

function bench(options: Partial<WorkerOptions> = {}): Bench {
  const core = coreDeps();
  const deps = { ...core, store: { ...core.store } };
  const handled: Message[] = [];
  const app = createWorker({
    deps,
    caller: async () => undefined,
    deadlineMs: DEADLINE_MS,
    ...options,
    handle: async (message, signal) => {
      handled.push(message);
      await options.handle?.(message, signal);
    },
  });
  return {
    app,
    deps,
    handled,
    push: async (body, kind = 'kind-of-body') =>
      app.request(`/internal/${kind === 'kind-of-body' ? kindOf(body) : kind}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

function kindOf(body: unknown): string {
  const { subscription } = body as { readonly subscription: string };
  return subscription.split('-').at(-1) ?? '';
}
