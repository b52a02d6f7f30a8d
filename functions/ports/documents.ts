import type { Cause } from '../../shared/jobs/cause.ts';
import type { JobState } from '../../shared/jobs/job-state.ts';
import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import type { DependencySpec } from './image-builder.ts';
import type { Message } from './message.ts';

/**
 * What is stored. Values are plain JSON: no undefined, no dates; instants are UTC milliseconds.
 * Top-level scalar fields may be named by the query catalogue (queries.ts). Every document carries
 * `schemaVersion`; a newer one than ours is refused.
 */
export interface Documents {
  submissions: SubmissionDoc;
  configs: ConfigDoc;
  groups: GroupDoc;
  experiments: ExperimentDoc;
  jobs: JobDoc;
  chunks: ChunkDoc;
  lanes: LaneDoc;
  builds: BuildDoc;
  counts: CountsDoc;
  syncs: SyncDoc;
  outbox: OutboxDoc;
}

/** A kind of document. */
export type Collection = keyof Documents;

/** The version this build writes and the newest it reads. */
export const SCHEMA_VERSION = 1;

/** What the image step produced: a run image, or a workspace where there is no Docker. */
export type RunTarget =
  | { readonly kind: 'image'; readonly digest: string }
  | {
      readonly kind: 'workspace';
      readonly venvKey: string | null;
      readonly layers: readonly string[];
    };

/** Hardware as asked for; validated by the hardware rules before it is stored. */
export interface HardwareSpec {
  readonly gpu: string | null;
  readonly tpu: string | null;
  readonly machineType: string | null;
  readonly region: string | null;
}

/** What the code was packed from, for people; `id` is equal for equal dependencies, mode and place. */
export interface EnvironmentRef {
  readonly id: string;
  readonly mode: 'cpu' | 'gpu';
  readonly path: string;
  readonly extraDirs: readonly string[];
}

export interface SubmissionDoc {
  readonly schemaVersion: number;
  readonly id: string;
  readonly principal: string;
  /** Hash of the request body: the same Idempotency-Key with another body is refused. */
  readonly bodyHash: string;
  readonly groupId: string;
  readonly groupName: string;
  readonly owner: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly mode: 'cpu' | 'gpu';
  readonly hardware: HardwareSpec;
  /** The module as the user typed it, and the command it stands for. */
  readonly module: string;
  readonly scriptPath: string;
  readonly command: readonly string[];
  readonly scriptArgs: readonly string[];
  /** Given image, or null: made from the layers and the dependencies. */
  readonly image: string | null;
  readonly codeLayers: readonly string[];
  readonly dependencies: DependencySpec;
  readonly environment: EnvironmentRef;
  readonly platform: PlatformKind;
  readonly lane: string;
  /** Number of experiments, and of the chunks of `chunkSize` they are expanded in. */
  readonly count: number;
  readonly chunks: number;
  readonly chunkSize: number;
  readonly acceptedAt: number;
  /** Every job it will ever have exists. */
  readonly expanded: boolean;
  /** Image step: 'waiting' until `run` is known; a failure ends the submission. */
  readonly imageState: 'waiting' | 'ready' | 'failed';
  /** While waiting for a builder or registry that does not answer: what it says and what to do. Not in older documents. */
  readonly imageWait?: string | null;
  readonly run: RunTarget | null;
  readonly buildId: string | null;
  /** The lane, while there is something to drain; null otherwise. */
  readonly openLane: string | null;
  /** Desired end. 'requested' until no live job is left, then 'done'. */
  readonly ending: 'none' | 'requested' | 'done';
  readonly endingState: 'STOPPED' | 'FAILED' | null;
  readonly endingCause: Cause | null;
  readonly stopRequestedAt: number | null;
  /** Of the config's text, and of everything here that never changes, for `admin check`; absent where an earlier caliban wrote it. */
  readonly configDigest?: string;
  readonly digest?: string;
}

/** The config as the user wrote it, kept apart so that listing submissions stays light. */
export interface ConfigDoc {
  readonly schemaVersion: number;
  readonly submissionId: string;
  readonly text: string;
}

export interface GroupDoc {
  readonly schemaVersion: number;
  readonly id: string;
  readonly owner: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface ExperimentDoc {
  readonly schemaVersion: number;
  readonly id: string;
  readonly groupId: string;
  readonly owner: string;
  readonly environment: EnvironmentRef;
  readonly module: string;
  readonly scriptPath: string;
  readonly scriptArgs: readonly string[];
  /** Flag values in file order: name and Python text (booleans as True / False). */
  readonly flags: readonly (readonly [string, string])[];
  readonly facets: readonly string[];
  /** Sorts experiments by creation: acceptance instant, then submission and index. */
  readonly order: string;
  readonly createdAt: number;
}

/** The right to create one platform job; every takeover raises the epoch. */
export interface Claim {
  readonly epoch: number;
  readonly holder: string;
  readonly claimedAt: number;
  /** No create request of this claim takes effect after this instant. */
  readonly createBy: number;
  /** Whether an earlier create may have taken effect without our knowing. */
  readonly outcomeUnknown: boolean;
}

/** One move of a job. */
export interface Move {
  readonly at: number;
  readonly from: JobState | null;
  readonly to: JobState;
  readonly cause: Cause;
}

export interface JobDoc {
  readonly schemaVersion: number;
  readonly id: string;
  readonly submissionId: string;
  readonly index: number;
  readonly experimentId: string;
  readonly groupId: string;
  readonly owner: string;
  readonly platform: PlatformKind;
  readonly lane: string;
  readonly state: JobState;
  /** Derived from `state`, for queries: not terminal, and holding something on the platform. */
  readonly live: boolean;
  readonly active: boolean;
  /** Flags of the experiment as the program gets them (sorted keys), after the script args. */
  readonly flags: readonly string[];
  readonly facets: readonly string[];
  readonly attempt: number;
  readonly claim: Claim | null;
  /** While SUBMITTING: when the next drainer may act on it. 0 otherwise. */
  readonly claimUntil: number;
  /** The platform's name for the job, once known. */
  readonly ref: string | null;
  /** While QUEUED: not offered before this instant. */
  readonly notBefore: number;
  readonly stopRequestedAt: number | null;
  readonly order: string;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly exitCode: number | null;
  /** When an UNKNOWN job was first missed; null otherwise. */
  readonly missedAt: number | null;
  readonly cause: Cause;
  /** Oldest first; at most HISTORY_LIMIT moves, the first and the newest are kept. */
  readonly history: readonly Move[];
}

/** Written in the same commit as the chunk's jobs: present means done. */
export interface ChunkDoc {
  readonly schemaVersion: number;
  readonly submissionId: string;
  readonly index: number;
}

/** A lane's limits. `ratePerMinute` null: no rate, only `maxActive`. */
export interface LanePolicy {
  readonly ratePerMinute: number | null;
  readonly maxActive: number;
}

/** Tokens reserved by a drainer: the i-th is spent no earlier than start + i × interval. */
export interface TokenBlock {
  readonly start: number;
  readonly count: number;
  readonly intervalMs: number;
}

export interface LaneDoc {
  readonly schemaVersion: number;
  readonly id: string;
  readonly platform: PlatformKind;
  readonly policy: LanePolicy;
  readonly leaseHolder: string | null;
  readonly leaseUntil: number;
  readonly epoch: number;
  readonly block: TokenBlock | null;
  /** Virtual time by principal: jobs submitted / weight, relative to each other. */
  readonly virtualTimes: Readonly<Record<string, number>>;
  readonly createdAt: number;
}

/** How far a lane was compared with its platform; apart from the lane, so that sync and drain never race. */
export interface SyncDoc {
  readonly schemaVersion: number;
  readonly id: string;
  /** Start of the last pass that ended well. */
  readonly syncedAt: number;
}

export interface BuildDoc {
  readonly schemaVersion: number;
  /** The dependency key. */
  readonly id: string;
  readonly state: 'building' | 'ready' | 'failed';
  readonly attempt: number;
  readonly dependencies: DependencySpec;
  readonly startedAt: number;
  readonly finishedAt: number | null;
  readonly error: {
    readonly message: string;
    readonly hint: string | null;
    readonly retryable: boolean;
  } | null;
}

/** Derived counts by state of a group or a submission; recomputed, never incremented. */
export interface CountsDoc {
  readonly schemaVersion: number;
  readonly id: string;
  readonly byState: Readonly<Record<JobState, number>>;
  readonly computedAt: number;
  /** Nothing live is left and everything accepted is expanded: stays true until the next acceptance. */
  readonly settled: boolean;
}

export interface OutboxDoc {
  readonly schemaVersion: number;
  readonly message: Message;
  /** Of the message, for queries. */
  readonly kind: Message['kind'];
  readonly notBefore: number;
  readonly attempts: number;
  readonly parked: boolean;
  readonly leasedBy: string | null;
  readonly lastError: string | null;
}
