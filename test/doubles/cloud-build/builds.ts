import type { Clock } from '../../../functions/ports/runtime.ts';
import { type BuildLog, createBuildLog, type PutObject } from './build-log.ts';
import { type Build, isTerminal, timeMs, type WireTime, wireTime } from './build-record.ts';
import { BuildStop } from './build-stop.ts';
import type { Executor } from './executor.ts';
import type { Notifications } from './notifications.ts';
import { type Breakage, type GetObject, runBuild } from './run-build.ts';
import { createSlots, type Slots } from './slots.ts';
import type { BuiltInValues } from './substitutions.ts';

export interface BuildsDeps {
  readonly clock: Clock;
  readonly executor: Executor;
  readonly notifications: Notifications;
  readonly getObject: GetObject;
  readonly putObject: PutObject;
  readonly secrets: Readonly<Record<string, string>>;
  /** Of one location. */
  readonly concurrentBuilds: number;
  /** How long a build is PENDING before it is queued; 0: not at all. */
  readonly pendingMs: number;
  /** How long a build is QUEUED at least. */
  readonly queuedMs: number;
}

/** A build, its place and its run. */
export interface BuildRecord {
  readonly build: Build;
  readonly location: string;
  readonly log: BuildLog;
}

export interface Builds {
  /** Takes a build, and runs it when its turn comes. */
  create(
    build: Build,
    place: { readonly location: string; readonly builtIn: BuiltInValues },
  ): Build;
  find(id: string): BuildRecord | undefined;
  /** Oldest first. */
  all(): readonly BuildRecord[];
  /** The build, CANCELLED; it must not have ended. */
  cancel(id: string): Build;
  /** Resolves once the build has ended and nothing of it runs. */
  finished(id: string): Promise<Build>;
  /** The next builds meet these, in order; null: that one goes well. */
  breakNext(...breakages: readonly (Breakage | null)[]): void;
  limit(concurrentBuilds: number): void;
  /** Stops whatever runs. */
  close(): Promise<void>;
}

interface Entry {
  build: Build;
  readonly location: string;
  readonly builtIn: BuiltInValues;
  readonly log: BuildLog;
  readonly stop: AbortController;
  readonly breakage: Breakage | undefined;
  over: Promise<void>;
}

/** The builds of a double: PENDING → QUEUED → WORKING → an end, each change told. */
export function createBuilds(deps: BuildsDeps): Builds {
  const { clock, notifications } = deps;
  const entries = new Map<string, Entry>();
  const slots = new Map<string, Slots>();
  const breakages: (Breakage | null)[] = [];
  let limit = deps.concurrentBuilds;
  let closed = false;

  function update(entry: Entry, patch: Partial<Build>): void {
    const { status } = entry.build;
    entry.build = isTerminal(status)
      ? { ...entry.build, ...facts(patch) }
      : { ...entry.build, ...patch };
    if (entry.build.status !== status && !closed) notifications.tell(entry.build);
  }

  function end(entry: Entry, patch: Partial<Build>): void {
    update(entry, { ...patch, finishTime: wireTime(clock.now()) });
  }

  function slotsOf(location: string): Slots {
    const known = slots.get(location) ?? createSlots(limit);
    slots.set(location, known);
    return known;
  }

  async function live(entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    if (entry.build.status === 'PENDING') {
      await clock.sleep(deps.pendingMs, signal);
      update(entry, { status: 'QUEUED' });
    }
    if (deps.queuedMs > 0) await clock.sleep(deps.queuedMs, signal);
    const release = await turn(entry);
    try {
      if (!isTerminal(entry.build.status)) await work(entry);
    } finally {
      release();
    }
  }

  /** Waits for a slot, not longer than the build's `queueTtl`. */
  async function turn(entry: Entry): Promise<() => void> {
    const waiting = slotsOf(entry.location).take(entry.stop.signal);
    const left = msOf(entry.build.queueTtl) - (clock.now() - msOf(entry.build.createTime));
    const expire = () => {
      end(entry, { status: 'EXPIRED' });
      entry.stop.abort(new Error('expired'));
    };
    return within(clock, { ms: left, late: expire, work: () => waiting });
  }

  async function work(entry: Entry): Promise<void> {
    update(entry, { status: 'WORKING', startTime: wireTime(clock.now()) });
    const late = () => entry.stop.abort(new BuildStop('TIMEOUT'));
    const run = () => runBuild(entry.build, { ...deps, ...entry, signal: entry.stop.signal });
    end(entry, await within(clock, { ms: msOf(entry.build.timeout), late, work: run }));
  }

  function failed(entry: Entry, error: unknown): void {
    if (isTerminal(entry.build.status)) return;
    const text = error instanceof Error ? error.stack : String(error);
    end(entry, { status: 'INTERNAL_ERROR', statusDetail: `a bug of the double: ${text}` });
  }

  function found(id: string): Entry {
    const entry = entries.get(id);
    if (entry === undefined) throw new Error(`no build ${id}`);
    return entry;
  }

  return {
    create(build, { location, builtIn }) {
      const [breakage] = breakages.splice(0, 1);
      const log = createBuildLog(build, clock, deps.putObject);
      const over = Promise.resolve();
      const stop = new AbortController();
      const entry = { build, location, builtIn, log, stop, breakage: breakage ?? undefined, over };
      entries.set(build.id, entry);
      notifications.tell(build);
      entry.over = live(entry).catch((error: unknown) => failed(entry, error));
      return build;
    },
    find: (id) => entries.get(id),
    all: () => [...entries.values()],
    cancel(id) {
      const entry = found(id);
      end(entry, { status: 'CANCELLED' });
      entry.stop.abort(new BuildStop('CANCELLED'));
      return entry.build;
    },
    async finished(id) {
      await found(id).over;
      return found(id).build;
    },
    breakNext: (...next) => void breakages.push(...next),
    limit(concurrentBuilds) {
      limit = concurrentBuilds;
      for (const each of slots.values()) each.limit(limit);
    },
    async close() {
      closed = true;
      for (const { stop } of entries.values()) stop.abort(new BuildStop('CANCELLED'));
      await Promise.all([...entries.values()].map(({ over }) => over));
    },
  };
}

/** What may still become known of a build that has ended. */
function facts({ steps, timing, results, sourceProvenance }: Partial<Build>): Partial<Build> {
  const known = Object.entries({ steps, timing, results, sourceProvenance });
  return Object.fromEntries(known.filter(([, value]) => value !== undefined));
}

function msOf(time: WireTime | null): number {
  return time === null ? 0 : timeMs(time);
}

interface Limited<T> {
  readonly ms: number;
  readonly late: () => void;
  readonly work: () => Promise<T>;
}

/** Calls `late` when the work takes longer, and waits for it all the same. */
async function within<T>(clock: Clock, { ms, late, work }: Limited<T>): Promise<T> {
  const over = new AbortController();
  clock.sleep(ms, over.signal).then(late, () => {});
  try {
    return await work();
  } finally {
    over.abort();
  }
}
