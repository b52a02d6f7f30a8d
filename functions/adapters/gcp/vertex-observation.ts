import type { protos } from '@google-cloud/aiplatform';
import type { Observation } from '../../ports/platform.ts';
import type { CustomJob } from './vertex-calls.ts';
import { cancellation, failure, platform } from './vertex-causes.ts';
import { jobOfLabels } from './vertex-labels.ts';

/** How a service knows its jobs. */
export interface Reading {
  readonly instanceLabel: string;
  /** How long a job may run (ms). */
  readonly timeoutMs: number;
}

/** States from which a job goes nowhere. PAUSED is none: it can be resumed (job_state.proto). */
export const ENDED_STATES: readonly string[] = [
  'JOB_STATE_SUCCEEDED',
  'JOB_STATE_FAILED',
  'JOB_STATE_CANCELLED',
  'JOB_STATE_EXPIRED',
  'JOB_STATE_PARTIALLY_SUCCEEDED',
];

/** All states of job_state.proto that are not ended. */
export const LIVE_STATES: readonly string[] = [
  'JOB_STATE_UNSPECIFIED',
  'JOB_STATE_QUEUED',
  'JOB_STATE_PENDING',
  'JOB_STATE_RUNNING',
  'JOB_STATE_CANCELLING',
  'JOB_STATE_PAUSED',
  'JOB_STATE_UPDATING',
];

/** What a custom job is for us, or null when its labels are not of this service. */
export function observationOf(reading: Reading, job: CustomJob): Observation | null {
  const of = jobOfLabels(reading.instanceLabel, job.labels ?? {});
  const ref = job.name ?? '';
  if (of === null || ref === '') return null;
  const createdAt = instantOf(job.createTime) ?? 0;
  const startedAt = instantOf(job.startTime);
  const about = { ...of, ref, createdAt, startedAt };
  return isEnded(job)
    ? { ...about, ...ended(reading, job, { createdAt, startedAt }) }
    : { ...about, ...live(job, startedAt) };
}

/** Whether a custom job goes on no more. */
export function isEnded({ state }: CustomJob): boolean {
  return typeof state === 'string' && ENDED_STATES.includes(state);
}

/** When an ended job ended (UTC ms); null while it lives. Of an expired one only the last change is known. */
export function endOf(job: CustomJob): number | null {
  if (!isEnded(job)) return null;
  return instantOf(job.endTime) ?? instantOf(job.updateTime) ?? instantOf(job.createTime) ?? 0;
}

/** UTC ms of a google.protobuf.Timestamp, or null when there is none. */
export function instantOf(
  time: protos.google.protobuf.ITimestamp | null | undefined,
): number | null {
  if (time?.seconds === undefined || time.seconds === null) return null;
  return Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
}

type Told = Pick<Observation, 'state' | 'finishedAt' | 'exitCode' | 'cause'>;

// A state that this version does not know is one of a job that goes on: later looks will tell.
function live({ state }: CustomJob, startedAt: number | null): Told {
  const open = { finishedAt: null, exitCode: null };
  switch (state) {
    case 'JOB_STATE_QUEUED':
      return {
        ...open,
        state: 'SUBMITTED',
        cause: platform('Queued by Vertex AI: waits for quota or a machine.'),
      };
    case 'JOB_STATE_PENDING':
      return {
        ...open,
        state: 'SUBMITTED',
        cause: { code: 'submitted', message: 'Vertex AI prepares its machine.' },
      };
    case 'JOB_STATE_RUNNING':
    case 'JOB_STATE_UPDATING':
      return { ...open, state: 'RUNNING', cause: { code: 'started', message: 'Running.' } };
    case 'JOB_STATE_CANCELLING':
      // Also one that was still queued: between SUBMITTED and its end RUNNING does no harm.
      return { ...open, state: 'RUNNING', cause: platform('Being cancelled.') };
    case 'JOB_STATE_PAUSED':
      return {
        ...open,
        state: 'RUNNING',
        cause: platform('Paused by Vertex AI; it can be resumed there.'),
      };
    default: {
      const cause = platform(
        `Vertex AI reports the state ${state ?? 'nothing'}, which this version does not know.`,
      );
      return { ...open, state: startedAt === null ? 'SUBMITTED' : 'RUNNING', cause };
    }
  }
}

function ended(
  { timeoutMs }: Reading,
  job: CustomJob,
  { createdAt, startedAt }: { readonly createdAt: number; readonly startedAt: number | null },
): Told {
  const finishedAt = Math.max(endOf(job) ?? 0, startedAt ?? createdAt);
  const message = job.error?.message ?? '';
  switch (job.state) {
    case 'JOB_STATE_SUCCEEDED':
      return {
        state: 'SUCCEEDED',
        finishedAt,
        exitCode: 0,
        cause: { code: 'succeeded', message: 'Exit code 0.' },
      };
    case 'JOB_STATE_CANCELLED': {
      const isTimeout = startedAt !== null && finishedAt - startedAt >= timeoutMs;
      const cause = cancellation(message, isTimeout ? timeoutMs : null);
      return { state: 'STOPPED', finishedAt, exitCode: null, cause };
    }
    case 'JOB_STATE_EXPIRED': {
      const cause = platform(`Gave up waiting for a machine. ${message}`.trim());
      return { state: 'FAILED', finishedAt, exitCode: null, cause };
    }
    case 'JOB_STATE_PARTIALLY_SUCCEEDED': {
      const cause = platform(`Only a part of it succeeded. ${message}`.trim());
      return { state: 'FAILED', finishedAt, exitCode: null, cause };
    }
    default:
      return { state: 'FAILED', finishedAt, ...failure({ code: job.error?.code ?? 0, message }) };
  }
}
