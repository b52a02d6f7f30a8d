import { type Cause, exitCause } from '../../../../../shared/jobs/cause.ts';
import type { ContainerFacts } from './containers.ts';

/** What a container may use; null: all of the machine. */
export interface ContainerLimits {
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
}

/** Why a container that ran has ended so. `lastOutput`: the end of what it printed. */
export function causeOfExit(
  facts: Pick<ContainerFacts, 'exitCode' | 'outOfMemory'>,
  limits: ContainerLimits,
  lastOutput: string,
): Cause {
  const { exitCode } = facts;
  // Told as soon as any process of the container was killed for memory; a program may get over that.
  if (exitCode !== 0 && facts.outOfMemory) return outOfMemory(exitCode, limits);
  const reason = exitCode === 126 || exitCode === 127 ? reasonOfInit(lastOutput) : undefined;
  return reason === undefined ? exitCause(exitCode) : notStarted(reason);
}

/** Why a program never ran, in the engine's words. */
export function notStarted(reason: string): Cause {
  const sentence = reason.replace(/\.*$/, '.');
  const hint = reason.includes('docker-init')
    ? ' The engine lacks its init: install the package tini (docker-init) on this machine.'
    : '';
  return { code: 'platform', message: `The program could not be started: ${sentence}${hint}` };
}

/** The image is not there to run. */
export function imageGone(image: string): string {
  return `the image ${image} is not on this machine any more; resubmit the job to have it made again`;
}

/**
 * Whether a refusal to create or start a container is for what the job asks for. Else it is the machine's: a full disk, a network that
 * is gone; then the next job would fare no better, and the same one well once that is mended.
 */
export function isOfJob(status: number, reason: string): boolean {
  return status < 500 || /OCI runtime|exec: |unable to find (?:user|group)|passwd/.test(reason);
}

/** The engine has forgotten that it ran, or whether. */
export const FORGOTTEN: Cause = {
  code: 'lost',
  message:
    'Docker ended suddenly while it ran or was being started, and does not know its exit status; resubmit it.',
};

/** Somebody ended it so while it ran. */
export const REMOVED: Cause = {
  code: 'lost',
  message: 'Its container was killed and removed by somebody else than caliban; resubmit the job.',
};

/** Nobody knows how it ended. */
export const LOST: Cause = {
  code: 'lost',
  message:
    'Its container was removed by somebody else than caliban, and its exit status with it; resubmit the job.',
};

function outOfMemory(exitCode: number, { memoryBytes }: ContainerLimits): Cause {
  // 128 + SIGKILL: the program itself. With any other status it ended by itself, after one of its processes was killed.
  const what =
    exitCode === 137 ? 'Killed' : `Exit code ${exitCode}, after a process of it was killed`;
  const message =
    memoryBytes === null
      ? `${what} for lack of memory on this machine.`
      : `${what} for lack of memory: jobs have ${mebibytes(memoryBytes)}. Give them more with: caliban serve --stop, then caliban serve --job_memory ${mebibytes(2 * memoryBytes).replace(' MiB', 'm')}`;
  return { code: 'out-of-memory', message };
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

// The container's init says why it could not run the program; then it ends with 126 or 127, as a shell does.
function reasonOfInit(lastOutput: string): string | undefined {
  return /\[FATAL tini \(\d+\)\] (.+)\n$/.exec(lastOutput)?.[1];
}
