import type { WireTimestamp } from '../google-api/comparing.ts';
import { loadProtos } from '../google-api/protos.ts';

/** `google.cloud.aiplatform.v1.CustomJob` as requests carry it: what clients may set. Absent messages are null, absent lists empty. */
export interface JobRequest {
  readonly displayName: string;
  readonly jobSpec: JobSpec | null;
  readonly labels: Readonly<Record<string, string>>;
}

export interface JobSpec {
  readonly workerPoolSpecs: readonly WorkerPool[];
  readonly scheduling: Scheduling | null;
  readonly serviceAccount: string;
  readonly network: string;
  readonly baseOutputDirectory: { readonly outputUriPrefix: string } | null;
}

export interface Scheduling {
  readonly timeout: WireDuration | null;
  readonly maxWaitDuration: WireDuration | null;
  readonly strategy: string;
  readonly disableRetries: boolean;
}

export interface WireDuration {
  readonly seconds: string;
  readonly nanos: number;
}

export interface WorkerPool {
  /** One of the two, the other is absent. */
  readonly containerSpec?: Container;
  readonly pythonPackageSpec?: object;
  readonly machineSpec: Machine | null;
  readonly replicaCount: string;
  readonly diskSpec: { readonly bootDiskType: string; readonly bootDiskSizeGb: number } | null;
}

export interface Container {
  readonly imageUri: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

export interface Machine {
  readonly machineType: string;
  /** A number when the enum does not have it. */
  readonly acceleratorType: string | number;
  readonly acceleratorCount: number;
  readonly tpuTopology: string;
}

/** A job as replies carry it. */
export interface CustomJob extends JobRequest {
  /** `projects/NUMBER/locations/REGION/customJobs/ID`. */
  readonly name: string;
  readonly state: JobState;
  readonly createTime: WireTimestamp;
  readonly updateTime: WireTimestamp;
  readonly startTime?: WireTimestamp;
  readonly endTime?: WireTimestamp;
  readonly error?: JobError;
}

/** `google.rpc.Status`. */
export interface JobError {
  readonly code: number;
  readonly message: string;
}

/** States that jobs of this double come into (job_state.proto). */
export type JobState =
  | 'JOB_STATE_QUEUED'
  | 'JOB_STATE_PENDING'
  | 'JOB_STATE_RUNNING'
  | 'JOB_STATE_SUCCEEDED'
  | 'JOB_STATE_FAILED'
  | 'JOB_STATE_CANCELLING'
  | 'JOB_STATE_CANCELLED'
  | 'JOB_STATE_EXPIRED';

export const JOB_PROTO = 'google/cloud/aiplatform/v1/job_service.proto';

const ENDED: readonly JobState[] = [
  'JOB_STATE_SUCCEEDED',
  'JOB_STATE_FAILED',
  'JOB_STATE_CANCELLED',
  'JOB_STATE_EXPIRED',
];

/** Whether a job in this state stays in it. */
export function hasEnded(state: JobState): boolean {
  return ENDED.includes(state);
}

/** Names of a published enum, as in `google.cloud.aiplatform.v1.JobState`. */
export function enumNames(name: string): readonly string[] {
  const definition = loadProtos(JOB_PROTO)[name];
  const type = definition !== undefined && 'type' in definition ? definition.type : {};
  const values = 'value' in type && Array.isArray(type.value) ? type.value : [];
  return values.map((value: { name: string }) => value.name);
}

/** Milliseconds of a duration; null stays null. */
export function durationMs(duration: WireDuration | null): number | null {
  if (duration === null) return null;
  return Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
}
