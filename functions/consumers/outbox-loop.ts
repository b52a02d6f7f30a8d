import type { CoreDeps } from '../core/deps.ts';
import { MESSAGE_KINDS, type Message } from '../ports/message.ts';
import { put, STORE_LIMIT, StaleVersion, type Stored } from '../ports/store.ts';
import { afterFailure, commitAtLast, MAX_ATTEMPTS } from './put-back.ts';
import { tellHandled } from './tell-handled.ts';

/** Rows of one kind that are looked at, beside those that are held: a sweep's must not hide another's. */
const ROWS = 100;
/** The order in which places are given: what many wait for comes last. */
/** Handlers running at the same time. */
const IN_FLIGHT = 16;
/** Of these, expansions: a sweep of millions must not keep a stop or another's image waiting. */
const EXPANSIONS_IN_FLIGHT = 2;
const LONGEST_SLEEP_MS = 1_000;

type OutboxDeps = Pick<CoreDeps, 'store' | 'clock' | 'random' | 'log' | 'meters'>;

type PutBackDeps = OutboxDeps & { readonly ending: AbortSignal };

/** The one-machine host's consumer: handles outbox rows where they are. */
export interface OutboxLoop {
  /** Says that there may be due rows. */
  wake(): void;
  /** Handles rows until the signal; resolves when the handlers in flight have ended. */
  run(signal: AbortSignal): Promise<void>;
  /** Handlers running now. */
  inFlight(): number;
  /** When it last looked through the rows (UTC ms); at first, when it was made. */
  turnedAt(): number;
}

/**
 * Leases due rows (raising `attempts` before the handler runs, so that a row that kills the service is seen), deletes them on
 * success, puts them back with growing waits, and parks them after ten attempts that failed by themselves. Equal messages are
 * handled once. A lease is no lock: the directory's lock guarantees that no other loop runs. `instance` is written beside it, to
 * tell who tried last.
 */
export function createOutboxLoop(
  deps: OutboxDeps,
  instance: string,
  handle: (message: Message) => Promise<void>,
): OutboxLoop {
  const busy = new Map<string, Promise<void>>();
  const held = new Set<string>();
  let wake: () => void = () => undefined;
  let woken = false;
  let expansions = 0;
  let turnedAt = deps.clock.now();
  let ending: AbortSignal = new AbortController().signal;

  async function step(): Promise<number> {
    // What is being handled is still in the list: it must not fill the page.
    const rows = await look(deps, Math.min(STORE_LIMIT, ROWS + held.size));
    const now = deps.clock.now();
    const free = rows.filter((row) => !held.has(row.key.id));
    const worn = free.filter((row) => row.value.attempts >= MAX_ATTEMPTS);
    for (const row of worn) await park(deps, row);
    const due = free.filter((row) => row.value.notBefore <= now && !worn.includes(row));
    for (const rows of byMessage(due)) {
      if (hasPlaceFor(rows[0]?.value.message)) await start(rows);
    }
    turnedAt = deps.clock.now();
    const later = free.map((row) => row.value.notBefore - now).filter((ms) => ms > 0);
    return Math.min(LONGEST_SLEEP_MS, ...later);
  }

  function hasPlaceFor(message: Message | undefined): boolean {
    if (message === undefined || busy.size >= IN_FLIGHT) return false;
    return message.kind !== 'expand' || expansions < EXPANSIONS_IN_FLIGHT;
  }

  async function start(rows: readonly Stored<'outbox'>[]): Promise<void> {
    const leased = await lease(deps, rows, instance);
    const [first] = leased;
    if (first === undefined) return;
    const { message } = first.value;
    const isExpansion = message.kind === 'expand';
    if (isExpansion) expansions++;
    for (const row of leased) held.add(row.key.id);
    const done = settle({ ...deps, ending }, leased, () => handle(message)).finally(() => {
      for (const row of leased) held.delete(row.key.id);
      busy.delete(first.key.id);
      if (isExpansion) expansions--;
      woken = true;
      wake();
    });
    busy.set(first.key.id, done);
  }

  return {
    inFlight: () => busy.size,
    turnedAt: () => turnedAt,
    wake() {
      woken = true;
      wake();
    },
    async run(signal) {
      ending = signal;
      while (!signal.aborted) {
        woken = false;
        const sleepMs = await step().catch((error: unknown) => {
          deps.log.error({ error: String(error) }, 'outbox step failed');
          return LONGEST_SLEEP_MS;
        });
        if (woken) continue;
        const early = new AbortController();
        wake = () => early.abort();
        await deps.clock
          .sleep(Math.max(1, sleepMs), AbortSignal.any([early.signal, signal]))
          .catch(() => undefined);
      }
      await Promise.allSettled(busy.values());
    },
  };
}

async function look({ store }: OutboxDeps, limit: number): Promise<readonly Stored<'outbox'>[]> {
  const pages = MESSAGE_KINDS.map((kind) =>
    store.list('dueMessages', { parked: false, kind }, { limit }),
  );
  return (await Promise.all(pages)).flatMap(({ items }) => items);
}

async function settle(
  deps: PutBackDeps,
  rows: readonly Stored<'outbox'>[],
  handle: () => Promise<void>,
): Promise<void> {
  try {
    await handle();
    await deps.store.commit(rows.map((row) => ({ op: 'delete', key: row.key })));
  } catch (error) {
    await putBack(deps, rows, error);
    return;
  }
  for (const row of rows) tellHandled(deps, row.value.message, { outcome: 'done' });
}

function byMessage(rows: readonly Stored<'outbox'>[]): Stored<'outbox'>[][] {
  const groups = new Map<string, Stored<'outbox'>[]>();
  for (const row of rows) {
    const key = JSON.stringify(row.value.message);
    const group = groups.get(key) ?? [];
    group.push(row);
    groups.set(key, group);
  }
  return [...groups.values()];
}

async function lease(
  deps: Pick<CoreDeps, 'store'>,
  rows: readonly Stored<'outbox'>[],
  instance: string,
): Promise<readonly Stored<'outbox'>[]> {
  try {
    await deps.store.commit(
      rows.map((row) =>
        put(
          row.key,
          { ...row.value, attempts: row.value.attempts + 1, leasedBy: instance },
          { version: row.version },
        ),
      ),
    );
  } catch (error) {
    if (error instanceof StaleVersion) return [];
    throw error;
  }
  return rows;
}

// Only a row whose handling ended the service each time can have so many attempts and not be parked.
async function park(deps: OutboxDeps, row: Stored<'outbox'>): Promise<void> {
  const { message, attempts } = row.value;
  const lastError = `The service ended while it handled this, ${attempts} times.`;
  const parked = { ...row.value, parked: true, leasedBy: null, lastError };
  await deps.store.commit([put(row.key, parked, { version: row.version })]);
  tellHandled(deps, message, { outcome: 'parked', attempts });
}

async function putBack(
  deps: PutBackDeps,
  rows: readonly Stored<'outbox'>[],
  error: unknown,
): Promise<void> {
  for (const row of rows) {
    const { attempts, waitMs } = afterFailure(deps, row.value.attempts, error);
    const parked = attempts >= MAX_ATTEMPTS;
    const lastError = String(error).slice(0, 1_000);
    const after = {
      ...row.value,
      attempts,
      parked,
      leasedBy: null,
      lastError,
      notBefore: deps.clock.now() + waitMs,
    };
    const outcome = parked ? 'parked' : 'put back';
    // Whole: what the log cuts it has taken secrets out of before.
    tellHandled(deps, row.value.message, { outcome, attempts, error: String(error) });
    await commitAtLast(deps, deps.ending, () => deps.store.commit([put(row.key, after)])).catch(
      (lost: unknown) =>
        deps.log.error(
          { error: String(lost) },
          'message could not be put back; it is handled again at once',
        ),
    );
  }
}
