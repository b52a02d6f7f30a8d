import { setTimeout as sleep } from 'node:timers/promises';

/** What Cloud Scheduler is here. */
export interface Scheduler {
  /** Ticks at once; the status of the answer. */
  tick(): Promise<number>;
  close(): Promise<void>;
}

/** Calls a URL with a signed token, again and again: `everyMs` after each answer; null: only when asked. */
export async function startScheduler(options: {
  readonly url: string;
  readonly authorization: () => Promise<string>;
  readonly everyMs: number | null;
}): Promise<Scheduler> {
  const { url, authorization, everyMs } = options;
  const ending = new AbortController();
  async function tick(): Promise<number> {
    const headers = { Authorization: await authorization(), 'Content-Type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: '{}', signal: ending.signal });
    await answer.body?.cancel();
    return answer.status;
  }
  async function run(ms: number): Promise<void> {
    while (!ending.signal.aborted) {
      await tick().catch(() => undefined);
      await sleep(ms, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  }
  const running = everyMs === null ? Promise.resolve() : run(everyMs);
  return {
    tick,
    async close() {
      ending.abort();
      await running;
    },
  };
}
