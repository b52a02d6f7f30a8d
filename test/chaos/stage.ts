import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';
import { type Look, lookAt } from './look.ts';
import type { Phase } from './plan.ts';
import type { ServeProcess } from './serve-process.ts';
import type { SupervisorKiller } from './supervisor-killer.ts';

/** One SIGKILL of the service. */
export interface Kill {
  readonly phase: Phase;
  /** What was under way, as seen from outside. */
  readonly moment: string;
  /** Whether it came within the phase it was aimed at. */
  readonly hit: boolean;
}

/** What the acts play on. */
export interface Stage {
  /** Scratch directory of this run. */
  readonly home: string;
  /** The file that every job appends a line to. */
  readonly lines: string;
  readonly serve: ServeProcess;
  readonly ledger: Ledger;
  readonly killer: SupervisorKiller;
}

const PATIENCE_MS = 120_000;

/** The database of a stage. */
export function databaseOf({ serve }: Pick<Stage, 'serve'>): string {
  return join(serve.dataDir, 'service.db');
}

/** What the database says now. */
export function lookNow(stage: Pick<Stage, 'serve'>): Look | null {
  return lookAt(databaseOf(stage));
}

/** Waits for something to be seen from outside; what is waited for is another process. */
export async function waitFor(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > until) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}

/** The service is down for a while, then started again. */
export async function startAgain(stage: Stage, downMs: number): Promise<void> {
  await stage.killer.whileDown();
  await sleep(downMs);
  await stage.serve.start();
}
