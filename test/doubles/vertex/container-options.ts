import type { ContainerCreateOptions } from 'dockerode';
import type { CustomJob } from './custom-job.ts';

export interface ContainerSettings {
  /** More environment variables, as in `NAME=value`: where the doubles of other APIs are. */
  readonly env?: readonly string[];
  /** Docker's network mode; default: the engine's. */
  readonly networkMode?: string;
  /** Mounts, as in `/on/host:/in/container:ro`. */
  readonly binds?: readonly string[];
}

/** Label of all containers of this double; the value is the name of the job. */
export const JOB_LABEL = 'caliban-test.vertex-job';

/** The container of a job: `command` replaces the entry point of the image, `args` its command. */
export function containerOptions(
  job: CustomJob,
  settings: ContainerSettings,
): ContainerCreateOptions {
  const container = job.jobSpec?.workerPoolSpecs[0]?.containerSpec;
  if (container === undefined) throw new Error('Python packages are not run, containers are');
  const { imageUri, command, args, env } = container;
  const given = env.map(({ name, value }) => `${name}=${value}`);
  return {
    Image: imageUri,
    ...(command.length > 0 ? { Entrypoint: [...command] } : {}),
    ...(args.length > 0 ? { Cmd: [...args] } : {}),
    Env: [...outputVariables(job), ...given, ...(settings.env ?? [])],
    Labels: { [JOB_LABEL]: job.name },
    HostConfig: {
      ...(settings.networkMode === undefined ? {} : { NetworkMode: settings.networkMode }),
      ...(settings.binds === undefined ? {} : { Binds: [...settings.binds] }),
    },
  };
}

/** What custom_job.proto promises for a base output directory. */
function outputVariables({ jobSpec }: CustomJob): readonly string[] {
  const prefix = jobSpec?.baseOutputDirectory?.outputUriPrefix.replace(/\/$/, '') ?? '';
  if (prefix === '') return [];
  return [
    `AIP_MODEL_DIR=${prefix}/model/`,
    `AIP_CHECKPOINT_DIR=${prefix}/checkpoints/`,
    `AIP_TENSORBOARD_LOG_DIR=${prefix}/logs/`,
  ];
}
