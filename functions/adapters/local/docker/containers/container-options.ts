import { totalmem } from 'node:os';
import type { ContainerCreateOptions } from 'dockerode';
import type { PlatformJob } from '../../../../ports/platform.ts';
import { jobMark } from '../../attempts/job-environment.ts';
import { containerLabels } from './container-names.ts';
import type { ContainerLimits } from './container-verdict.ts';

/** What a container is made from besides its job. */
export interface ContainerSetting {
  readonly service: string;
  readonly limits: ContainerLimits;
  /** Digest of the image. */
  readonly image: string;
  /** Whether the image has an entry point; one without gets the job's command. */
  readonly hasEntrypoint: boolean;
  /** Limit of the attempt's log. */
  readonly maxLogBytes: number;
  /** Processes and threads at the same time. */
  readonly maxProcesses: number;
}

/** How the engine is to make an attempt's container. */
export function containerOptions(
  job: PlatformJob,
  { service, limits, image, hasEntrypoint, ...setting }: ContainerSetting,
): ContainerCreateOptions {
  return {
    Image: image,
    ...(hasEntrypoint ? {} : { Entrypoint: [...job.command] }),
    Cmd: [...job.args],
    Env: environmentOf(job),
    Labels: containerLabels(service, job),
    HostConfig: {
      // The program is not the first process of its container then, so that signals have their usual effect on it.
      Init: true,
      AutoRemove: false,
      RestartPolicy: { Name: 'no' },
      LogConfig: keepOutput(setting.maxLogBytes),
      // A program of mode setuid gives nobody more rights than the job has.
      SecurityOpt: ['no-new-privileges'],
      // So that a fork bomb takes only its own job.
      PidsLimit: setting.maxProcesses,
      ...memoryOf(limits),
      ...(limits.cpus === null ? {} : { NanoCpus: Math.round(limits.cpus * 1e9) }),
    },
  };
}

/**
 * The engine's own copy of the output, removed with the container; ours is the log of the attempt. `local` keeps all bytes, `json-file`
 * only UTF-8. Twice the log's limit, because each line takes some 40 bytes more than it has: one that is full is emptied (a second file
 * would keep some of it, at twice the size), and what is missing in a log that is taken up after a restart of the service is said there.
 */
function keepOutput(maxLogBytes: number) {
  const Config = { 'max-size': String(2 * maxLogBytes), 'max-file': '1', compress: 'false' };
  return { Type: 'local', Config };
}

function environmentOf(job: PlatformJob): string[] {
  const variables: [string, string][] = [['PYTHONUNBUFFERED', '1'], ...jobMark(job)];
  return variables.map(([name, value]) => `${name}=${value}`);
}

// Docker's /dev/shm of 64 MB is too small for the workers of a data loader; it is memory, so the limit on that holds for it too.
function memoryOf({ memoryBytes }: ContainerLimits) {
  if (memoryBytes === null) return { ShmSize: Math.floor(totalmem() / 2) };
  return { Memory: memoryBytes, MemorySwap: memoryBytes, ShmSize: memoryBytes };
}
