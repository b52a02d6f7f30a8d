import { mkdir } from 'node:fs/promises';
import { LIMITS } from '../../../../../shared/api/limits.ts';
import { type Platform, type PlatformJob, PlatformRefusal } from '../../../../ports/platform.ts';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import { openAttemptFiles } from '../../attempts/attempt-files.ts';
import { openAttemptPlatform } from '../../attempts/attempt-platform.ts';
import { refuseWords } from '../../attempts/job-rules.ts';
import { once } from '../../once.ts';
import { connectEngine, type Engine } from '../engine/engine.ts';
import { ContainerKeeper } from './container-keeper.ts';
import { serviceIdOf } from './container-names.ts';
import type { ContainerLimits } from './container-verdict.ts';
import { createContainers } from './containers.ts';
import type { FileLimits } from './copy-files.ts';

/** What the Docker platform needs. */
export interface DockerPlatformOptions {
  /** Its own directory; only one process at a time may have it open. */
  readonly dir: string;
  /** How many containers run at once; the other jobs wait in the order of their submission. */
  readonly slots: number;
  /** What each job may use of the machine; null: all. The engine refuses less than 0.01 CPUs and 6 MiB. */
  readonly limits: ContainerLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the engine that `DOCKER_HOST` names, else the one on the usual socket. Called once, when it is first needed. */
  readonly connect?: () => Promise<Engine>;
  /** Time between TERM and KILL. Default 10 s. */
  readonly graceMs?: number;
  /** How often containers are looked at; their end is also noticed at once. Default 1 s. */
  readonly pollMs?: number;
  /** Limit of each attempt's log; at least 4. Default LIMITS.jobLogBytes. */
  readonly maxLogBytes?: number;
  /** How much is kept of what each attempt writes. Default LIMITS.jobFilesBytes and jobFiles. */
  readonly maxFiles?: FileLimits;
  /** Processes and threads of each job at the same time. Default LIMITS.jobProcesses. */
  readonly maxProcesses?: number;
  /** A hint that something about this job changed. */
  readonly onChange?: (jobId: string) => void;
}

/**
 * Runs jobs as containers of a Docker engine on this machine. All its state is in files and in the engine: it can be killed at any
 * instant and opened again, and its containers go on meanwhile. `close` leaves them running too. Opening asks nothing of the engine;
 * while it does not answer, jobs are accepted and keep their state.
 */
export async function openDockerPlatform(
  options: DockerPlatformOptions,
): Promise<Platform & { close(): Promise<void> }> {
  const { dir, clock, log, limits, slots, maxLogBytes = LIMITS.jobLogBytes } = options;
  await mkdir(dir, { recursive: true });
  const files = await openAttemptFiles(dir);
  const closing = new AbortController();
  const keeper = new ContainerKeeper({
    files,
    containers: createContainers(once(options.connect ?? connectEngine), closing.signal),
    closing,
    service: await serviceIdOf(dir),
    limits,
    maxLogBytes,
    maxFiles: options.maxFiles ?? { bytes: LIMITS.jobFilesBytes, count: LIMITS.jobFiles },
    maxProcesses: options.maxProcesses ?? LIMITS.jobProcesses,
    clock,
    log,
    slots,
    graceMs: options.graceMs ?? 10_000,
    pollMs: options.pollMs ?? 1000,
    onChange: options.onChange ?? (() => undefined),
  });
  const platform = await openAttemptPlatform({
    kind: 'docker',
    files,
    keeper,
    maxLogBytes,
    clock,
    log,
    refuse: async (job) => refuseUnrunnable(job),
    startedAt: (attempt) => attempt.startedAt,
  });
  keeper.open();
  return { ...platform, close: () => keeper.close() };
}

function refuseUnrunnable(job: PlatformJob): void {
  if (job.run.kind !== 'image') {
    throw new PlatformRefusal('permanent', 'This machine runs jobs in containers of an image.', {
      hint: 'Name an image, or use: caliban serve --platform process',
    });
  }
  if (!/^sha256:[0-9a-f]{64}$/.test(job.run.digest)) {
    throw new PlatformRefusal('permanent', `${JSON.stringify(job.run.digest)} is no image digest.`);
  }
  refuseWords([...job.command, ...job.args]);
}
