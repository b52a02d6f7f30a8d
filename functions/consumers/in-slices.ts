import type { CoreDeps } from '../core/deps.ts';
import { publishNow, waitIdOf } from '../core/outbox.ts';
import { getOne } from '../core/records.ts';
import type { Message } from '../ports/message.ts';
import { put, StaleVersion, type Stored } from '../ports/store.ts';

type SliceDeps = Pick<CoreDeps, 'clock' | 'log' | 'queue' | 'random' | 'store'>;

/** A handling under way; its host may end it. */
export interface Slice {
  /** No repeat begins after this instant (UTC ms). */
  readonly endAt: number;
  readonly signal: AbortSignal;
}

/** A wait that is left at the end of a slice is handed on at once when it is this short: looking early costs less than coming late. */
const EARLY_MS = 15_000;
/** So long after it was taken a wait is anybody's again: longer than any slice, so that nobody else waits for it. */
const TAKEN_MS = 120_000;

/**
 * Handles a message, and again when it left itself a wait: for hosts whose queue cannot delay a message. Waits that end within the
 * slice are waited for here, a short one that is left is published for the next slice, a longer one is left to tick. Of several
 * handlers of one message one goes on; a wait whose taker dies comes back by tick. Throws what `handle` throws.
 */
export async function handleInSlices(
  deps: SliceDeps,
  message: Message,
  { slice, handle }: { readonly slice: Slice; readonly handle: () => Promise<void> },
): Promise<void> {
  const holder = deps.random.id();
  await handle();
  while (await comesNext(deps, message, { slice, holder })) {
    await handle();
    await giveUp(deps, message, holder);
  }
}

// Whether this handler goes on with the wait that the last handling left: then its instant has come, and it is ours.
async function comesNext(
  deps: SliceDeps,
  message: Message,
  { slice, holder }: { readonly slice: Slice; readonly holder: string },
): Promise<boolean> {
  const wait = await readWait(deps, message);
  if (wait === undefined) return false;
  const ms = Math.max(0, wait.value.notBefore - deps.clock.now());
  if (deps.clock.now() + ms > slice.endAt) {
    if (ms <= EARLY_MS) await publishNow(deps, [rowOf(wait)]);
    return false;
  }
  if (ms > 0) await deps.clock.sleep(ms, slice.signal);
  slice.signal.throwIfAborted();
  return take(deps, wait, holder);
}

function readWait(deps: SliceDeps, message: Message): Promise<Stored<'outbox'> | undefined> {
  return getOne(deps, 'outbox', waitIdOf(message));
}

function rowOf({ key, value, version }: Stored<'outbox'>) {
  return { id: key.id, doc: value, version };
}

async function take(deps: SliceDeps, wait: Stored<'outbox'>, holder: string): Promise<boolean> {
  const notBefore = deps.clock.now() + TAKEN_MS;
  const taken = { ...wait.value, leasedBy: holder, notBefore };
  try {
    await deps.store.commit([put(wait.key, taken, { version: wait.version })]);
    return true;
  } catch (error) {
    if (error instanceof StaleVersion) return false;
    throw error;
  }
}

// What is there now may be the next wait, of this handling or of another one: that stays.
async function giveUp(deps: SliceDeps, message: Message, holder: string): Promise<void> {
  const wait = await readWait(deps, message);
  if (wait?.value.leasedBy !== holder) return;
  try {
    await deps.store.commit([{ op: 'delete', key: wait.key, expect: { version: wait.version } }]);
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
  }
}
