import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '../../../../shared/api/limits.ts';
import type { Platform } from '../../../ports/platform.ts';
import type { Clock, Log } from '../../../ports/runtime.ts';
import { type AttemptFiles, openAttemptFiles } from '../attempts/attempt-files.ts';
import { openAttemptPlatform } from '../attempts/attempt-platform.ts';
import type { Environment } from '../attempts/job-environment.ts';
import { cutLog } from '../attempts/log-limit.ts';
import { replaceFile } from '../durable-file.ts';
import { AttemptKeeper } from './attempt-keeper.ts';
import { createLaunch } from './attempt-launch.ts';
import { refuseUnrunnable } from './process-job-rules.ts';
import { createProcessTable } from './process-table.ts';
import { createSpawner } from './spawner.ts';
import { SUPERVISOR_SCRIPT } from './supervisor.ts';
import { startSweeper } from './workspace-sweeper.ts';
import { type LayerSource, openWorkspaces, type Workspaces } from './workspaces.ts';

/** What the process platform needs. */
export interface ProcessPlatformOptions extends LayerSource {
  /** Its own directory; only one process at a time may have it open. */
  readonly dir: string;
  /** How many programs run at once; the others wait in the order of their submission. */
  readonly slots: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The service's environment; programs get the part that job-environment.ts names. */
  readonly environment: Environment;
  /** Throws AppError PYTHON_MISSING. */
  readonly interpreter: () => Promise<{ readonly python: string; readonly version: string }>;
  readonly venvDir: (key: string) => string;
  /** Time between TERM and KILL. Default 10 s. */
  readonly graceMs?: number;
  /** How often running programs are looked at; their end is also noticed at once where it can be. Default 500 ms. */
  readonly pollMs?: number;
  /** Limit of each attempt's log; at least 4. What goes over it is cut at each look. Default LIMITS.jobLogBytes. */
  readonly maxLogBytes?: number;
  /** A hint that something about this job changed. */
  readonly onChange?: (jobId: string) => void;
}

/**
 * Runs jobs as processes of this machine. All its state is in files and in the process table: it can be killed at any
 * instant and opened again, and its programs go on meanwhile. `close` leaves them running too.
 */
export async function openProcessPlatform(
  options: ProcessPlatformOptions,
): Promise<Platform & { close(): Promise<void> }> {
  const { dir, clock, log } = options;
  await mkdir(dir, { recursive: true });
  const files = await openAttemptFiles(dir);
  const { keeper, workspaces, close } = await openKeeper(options, files);
  const platform = await openAttemptPlatform({
    kind: 'process',
    files,
    keeper,
    maxLogBytes: options.maxLogBytes ?? LIMITS.jobLogBytes,
    clock,
    log,
    refuse: (job) => refuseUnrunnable(job, options.interpreter),
    startedAt: ({ start }) => (start?.kind === 'taken' ? start.at : null),
  });
  keeper.open();
  const sweeper = startSweeper({ ...options, workspaces, keeper });
  return {
    ...platform,
    ahead: () => keeper.ahead(),
    close: () => close().finally(sweeper.close),
  };
}

async function openKeeper(
  options: ProcessPlatformOptions,
  files: AttemptFiles,
): Promise<{
  readonly keeper: AttemptKeeper;
  readonly workspaces: Workspaces;
  close(): Promise<void>;
}> {
  const { dir } = options;
  const spawner = createSpawner();
  const table = createProcessTable(process.platform);
  const supervisor = join(dir, 'supervisor.sh');
  await replaceFile(supervisor, SUPERVISOR_SCRIPT);
  const bootId = await table.bootId();
  const workspaces = await openWorkspaces(join(dir, 'workspaces'), bootId, options);
  const binDir = join(dir, 'interpreters');
  const keeper = new AttemptKeeper({
    files,
    table,
    launch: createLaunch({ ...options, files, workspaces, spawner, supervisor, binDir, bootId }),
    clock: options.clock,
    log: options.log,
    slots: options.slots,
    graceMs: options.graceMs ?? 10_000,
    pollMs: options.pollMs ?? 500,
    boundLog: logBound(options, files),
    onChange: options.onChange ?? (() => undefined),
  });
  return {
    keeper,
    workspaces,
    close() {
      spawner.close();
      return keeper.close();
    },
  };
}

// A log that cannot be cut, whatever its program did to it, must not keep an attempt from its end.
function logBound(
  { log, maxLogBytes = LIMITS.jobLogBytes }: ProcessPlatformOptions,
  files: AttemptFiles,
): (ref: string) => Promise<void> {
  return async (ref) => {
    try {
      await cutLog(join(files.directory(ref), 'log'), maxLogBytes);
    } catch (error) {
      log.warn({ err: error, ref }, 'a log over its limit was not cut; it is tried again');
    }
  };
}
