/** `google.protobuf.Timestamp` and `Duration` as they come over the wire. */
export interface WireTime {
  readonly seconds: string;
  readonly nanos: number;
}

export interface TimeSpan {
  readonly startTime: WireTime;
  readonly endTime: WireTime;
}

export type BuildStatus =
  | 'STATUS_UNKNOWN'
  | 'PENDING'
  | 'QUEUED'
  | 'WORKING'
  | 'SUCCESS'
  | 'FAILURE'
  | 'INTERNAL_ERROR'
  | 'TIMEOUT'
  | 'CANCELLED'
  | 'EXPIRED';

export type FailureType =
  | 'PUSH_FAILED'
  | 'PUSH_IMAGE_NOT_FOUND'
  | 'PUSH_NOT_AUTHORIZED'
  | 'LOGGING_FAILURE'
  | 'USER_BUILD_STEP'
  | 'FETCH_SOURCE_FAILED';

export interface StorageSource {
  readonly bucket: string;
  readonly object: string;
  /** '0' when none was asked for. */
  readonly generation: string;
}

export interface BuildStep {
  readonly name: string;
  readonly env: readonly string[];
  readonly args: readonly string[];
  readonly dir: string;
  readonly id: string;
  readonly waitFor: readonly string[];
  readonly entrypoint: string;
  readonly secretEnv: readonly string[];
  readonly volumes: readonly object[];
  readonly timeout: WireTime | null;
  readonly allowFailure: boolean;
  readonly allowExitCodes: readonly number[];
  readonly script: string;
  readonly automapSubstitutions?: boolean;
  readonly status: BuildStatus;
  readonly exitCode: number;
  readonly timing: TimeSpan | null;
  readonly pullTiming: TimeSpan | null;
}

export interface BuildOptions {
  readonly machineType: string;
  readonly diskSizeGb: string;
  readonly substitutionOption: 'MUST_MATCH' | 'ALLOW_LOOSE';
  readonly automapSubstitutions: boolean;
  readonly logStreamingOption: 'STREAM_DEFAULT' | 'STREAM_ON' | 'STREAM_OFF';
  readonly logging: string;
  readonly defaultLogsBucketBehavior: string;
  readonly env: readonly string[];
  readonly secretEnv: readonly string[];
  readonly volumes: readonly object[];
  readonly pool: object | null;
}

export interface BuiltImage {
  readonly name: string;
  readonly digest: string;
  readonly pushTiming: TimeSpan;
}

export interface Results {
  readonly images: readonly BuiltImage[];
  readonly buildStepImages: readonly string[];
  readonly buildStepOutputs: readonly Buffer[];
}

export interface SecretManagerSecret {
  readonly versionName: string;
  readonly env: string;
}

/** `google.devtools.cloudbuild.v1.Build` as grpc-js gives it: camel case, enums and longs as strings; the fields this double knows. */
export interface Build {
  readonly name: string;
  readonly id: string;
  readonly projectId: string;
  readonly status: BuildStatus;
  readonly statusDetail: string;
  readonly source: { readonly storageSource?: StorageSource | null } | null;
  readonly steps: readonly BuildStep[];
  readonly results: Results | null;
  readonly createTime: WireTime | null;
  readonly startTime: WireTime | null;
  readonly finishTime: WireTime | null;
  readonly timeout: WireTime | null;
  readonly images: readonly string[];
  readonly queueTtl: WireTime | null;
  readonly artifacts: object | null;
  readonly logsBucket: string;
  readonly sourceProvenance: object | null;
  readonly options: BuildOptions | null;
  readonly logUrl: string;
  readonly substitutions: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly secrets: readonly object[];
  readonly timing: Readonly<Record<string, TimeSpan>>;
  readonly serviceAccount: string;
  readonly availableSecrets: {
    readonly secretManager: readonly SecretManagerSecret[];
    readonly inline: readonly object[];
  } | null;
  readonly failureInfo: { readonly type: FailureType; readonly detail: string } | null;
}

const TERMINAL: readonly BuildStatus[] = [
  'SUCCESS',
  'FAILURE',
  'INTERNAL_ERROR',
  'TIMEOUT',
  'CANCELLED',
  'EXPIRED',
];

export function isTerminal(status: BuildStatus): boolean {
  return TERMINAL.includes(status);
}

/** UTC milliseconds as a wire timestamp. */
export function wireTime(ms: number): WireTime {
  return { seconds: String(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) };
}

/** Milliseconds of a timestamp or a duration. */
export function timeMs(time: WireTime): number {
  return Number(time.seconds) * 1000 + time.nanos / 1e6;
}

/** A step as the log names it; `null` for the only step of a build, whose lines have no prefix. */
export function stepLabel({ steps }: Build, index: number): string | null {
  if (steps.length < 2) return null;
  const id = steps[index]?.id ?? '';
  return id === '' ? `Step #${index}` : `Step #${index} - ${JSON.stringify(id)}`;
}
