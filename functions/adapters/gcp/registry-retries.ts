import type { Clock } from '../../ports/runtime.ts';

/** What waits between tries need. `random`: in [0, 1). */
export interface RetryDeps {
  readonly clock: Clock;
  readonly random: () => number;
}

/** How often a request is sent at most. */
export const TRIES = 5;

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Sends a request again while its registry is busy, fails or cannot be reached; the last answer or error is given as it is. */
export async function withRetries(
  deps: RetryDeps,
  send: () => Promise<Response>,
  signal?: AbortSignal,
): Promise<Response> {
  for (let tried = 1; ; tried++) {
    const outcome = await send().catch((error: unknown) => ({ error }));
    if (outcome instanceof Response) {
      if (!isTransient(outcome.status) || tried === TRIES) return outcome;
      await outcome.body?.cancel();
    } else if (tried === TRIES || !isNetworkTrouble(outcome.error) || signal?.aborted === true) {
      throw outcome.error;
    }
    const asked = outcome instanceof Response ? retryAfterMs(outcome, deps.clock.now()) : 0;
    await deps.clock.sleep(pauseMs(deps, tried, asked), signal);
  }
}

/** How long to wait after so many tries: longer each time, by chance, and as long as was asked for, within a limit. */
export function pauseMs({ random }: RetryDeps, tried: number, askedMs: number): number {
  const most = FIRST_PAUSE_MS * 2 ** tried;
  return Math.min(LONGEST_PAUSE_MS, askedMs + Math.ceil(most * (0.5 + random() / 2)));
}

/** Whether the same request may be answered otherwise a little later. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** Whether an error is one of the connection, or of a wait that was too long. */
export function isNetworkTrouble(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError');
}

/** What a `Retry-After` header asks for, in ms (RFC 9110, 10.2.3: seconds or a date); 0 when it says nothing. */
export function retryAfterMs(response: Response, now: number): number {
  const text = response.headers.get('retry-after') ?? '';
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}
