import type { protos } from '@google-cloud/aiplatform';
import { vertexMachine } from '../../../shared/hardware/vertex-machine.ts';
import { type PlatformJob, PlatformRefusal } from '../../ports/platform.ts';
import { runImageName } from './image-names.ts';
import type { CustomJob } from './vertex-calls.ts';
import { isLabelValue, type VertexLabels, vertexLabels } from './vertex-labels.ts';

type Scheduling = protos.google.cloud.aiplatform.v1.IScheduling;

/** How jobs are made that a service submits. */
export interface VertexJobSettings {
  /** Tells this service's jobs from those of another one in the same project; fit for a label. */
  readonly instanceLabel: string;
  /** Where images made by the service are, as in `HOST/PROJECT/REPOSITORY`; jobs pull REPOSITORY/run@sha256:…. */
  readonly repository: string;
  /** Whom programs act as; null: Vertex AI's own agent. */
  readonly serviceAccount: string | null;
  /** `projects/NUMBER/global/networks/NAME` that jobs are peered with, or null. */
  readonly network: string | null;
  /** `gs://BUCKET/PREFIX`; an attempt gets a directory of its own below it. Null: none. */
  readonly outputDirectory: string | null;
  /** How long a job may run (ms). */
  readonly timeoutMs: number;
  readonly scheduling: 'standard' | 'spot' | 'flex-start';
  /** How long a job of `flex-start` waits for its machine (ms). Default 24 h, Vertex's own; 0 means without end there. */
  readonly maxWaitMs?: number;
}

/** custom_job.proto: "up to 128 characters". */
const MAX_NAME = 128;
const DEFAULT_WAIT_MS = 24 * 3_600_000;
const STRATEGIES = { standard: 'STANDARD', spot: 'SPOT', 'flex-start': 'FLEX_START' } as const;

/** What is created for a job, and the labels it could not take. Throws PlatformRefusal, permanent, for what can never run there. */
export function vertexJob(
  settings: VertexJobSettings,
  job: PlatformJob,
): { readonly customJob: CustomJob; readonly dropped: VertexLabels['dropped'] } {
  refuseUnfit(job);
  const { labels, dropped } = vertexLabels(settings.instanceLabel, job);
  const { serviceAccount, network } = settings;
  const prefix = outputPrefix(settings.outputDirectory, job);
  const customJob: CustomJob = {
    displayName: displayName(job.name),
    labels: { ...labels },
    jobSpec: {
      workerPoolSpecs: [
        { machineSpec: machineOf(job), replicaCount: 1, containerSpec: containerOf(settings, job) },
      ],
      scheduling: schedulingOf(settings),
      ...(serviceAccount === null ? {} : { serviceAccount }),
      ...(network === null ? {} : { network }),
      ...(prefix === null ? {} : { baseOutputDirectory: { outputUriPrefix: prefix } }),
    },
  };
  return { customJob, dropped };
}

function refuseUnfit(job: PlatformJob): void {
  const words = [...job.command, ...job.args];
  if (words.some((word) => word.includes('\0'))) {
    throw permanent(
      'An argument holds a NUL character.',
      'No program can be given one; remove it from the config.',
    );
  }
  // It would go out as bytes that are no UTF-8, and the answer to that tells nothing.
  if (!words.every((word) => word.isWellFormed())) {
    throw permanent(
      'An argument holds half of a character (a lone surrogate).',
      'Remove it from the config.',
    );
  }
  if (!isLabelValue(job.jobId)) {
    throw permanent(
      `The job id ${JSON.stringify(job.jobId)} cannot be a label.`,
      'This is a fault of caliban; please report it.',
    );
  }
}

function displayName(name: string): string {
  const whole = [...name.toWellFormed().replace(/\p{Cc}/gu, ' ')]
    .slice(0, MAX_NAME)
    .join('')
    .trim();
  return whole === '' ? 'caliban' : whole;
}

function machineOf({ hardware }: PlatformJob) {
  const choice = vertexMachine(hardware);
  if ('problem' in choice) throw permanent(choice.problem, choice.hint);
  return choice.machine;
}

/**
 * An image of ours has its entry point in it. Of a given one nothing is known here, so the job's command is sent: it replaces an entry
 * point, which for images made by `caliban build` is the same.
 */
function containerOf({ repository }: VertexJobSettings, job: PlatformJob) {
  if (job.run.kind !== 'image') {
    throw permanent('Vertex AI runs images, and this job has none.', 'Submit again.');
  }
  const { digest } = job.run;
  const isOurs = digest.startsWith('sha256:');
  return {
    imageUri: isOurs ? runImageName(repository, digest) : digest,
    ...(isOurs ? {} : { command: [...job.command] }),
    args: [...job.args],
    env: [
      // So that what is printed shows before a buffer is full.
      { name: 'PYTHONUNBUFFERED', value: '1' },
      { name: 'CALIBAN_JOB_ID', value: job.jobId },
      { name: 'CALIBAN_ATTEMPT', value: String(job.attempt) },
    ],
  };
}

// Off by default: what is started again by itself would run a program twice within one attempt.
function schedulingOf({ timeoutMs, scheduling, maxWaitMs }: VertexJobSettings): Scheduling {
  const waits = scheduling === 'flex-start';
  return {
    timeout: { seconds: Math.ceil(timeoutMs / 1000) },
    strategy: STRATEGIES[scheduling],
    disableRetries: true,
    restartJobOnWorkerRestart: false,
    ...(waits
      ? { maxWaitDuration: { seconds: Math.ceil((maxWaitMs ?? DEFAULT_WAIT_MS) / 1000) } }
      : {}),
  };
}

function outputPrefix(directory: string | null, { jobId, attempt }: PlatformJob): string | null {
  return directory === null ? null : `${directory.replace(/\/+$/, '')}/${jobId}/${attempt}`;
}

function permanent(message: string, hint: string): PlatformRefusal {
  return new PlatformRefusal('permanent', message, { hint });
}
