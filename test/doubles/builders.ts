import {
  createMemoryLayerStore,
  type MemoryLayerStore,
} from '../../functions/adapters/memory/memory-layer-store.ts';
import {
  createMemoryQueue,
  type MemoryQueue,
} from '../../functions/adapters/memory/memory-queue.ts';
import { createMemoryStore } from '../../functions/adapters/memory/memory-store.ts';
import { createConfigCache } from '../../functions/core/config-cache.ts';
import type { CoreDeps } from '../../functions/core/deps.ts';
import { createMeters } from '../../functions/core/meters.ts';
import { DEFAULT_TIMING } from '../../functions/core/timing.ts';
import type { Principal } from '../../functions/ports/authenticator.ts';
import {
  type JobDoc,
  type LaneDoc,
  type LanePolicy,
  SCHEMA_VERSION,
  type SubmissionDoc,
} from '../../functions/ports/documents.ts';
import type { Observation } from '../../functions/ports/platform.ts';
import type { Write } from '../../functions/ports/store.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { isActive, isTerminal } from '../../shared/jobs/job-state.ts';
import { aSpec, CODE_LAYER } from './a-spec.ts';
import { type LoggedLine, logTo } from './logs.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import { createScriptedBuilder, type ScriptedBuilder } from './scripted-builder.ts';
import { createScriptedPlatform, type ScriptedPlatform } from './scripted-platform.ts';
import { seededRandom } from './seeded-random.ts';

/** The lane of the builders. */
export const LANE = 'here';

/** When the builders' clock starts. */
export const START = Date.UTC(2026, 0, 1);

/** Dependencies of the core that a test can look into. */
export interface TestDeps extends CoreDeps {
  readonly clock: ManualClock;
  readonly queue: MemoryQueue;
  readonly layers: MemoryLayerStore;
  readonly platform: ScriptedPlatform;
  readonly builder: ScriptedBuilder;
  /** Every commit that went through, as its writes. */
  readonly commits: (readonly Write[])[];
  /** Messages of warnings and errors. */
  readonly logged: string[];
  /** Every line of the log. */
  readonly lines: LoggedLine[];
}

/** Memory adapters, a clock that stands still, a scripted platform, one lane. Waits of a drainer's slice move the clock. */
export function coreDeps(
  changes: { readonly policy?: Partial<LanePolicy>; readonly chunkSize?: number } = {},
): TestDeps {
  const clock = createManualClock(START);
  const commits: (readonly Write[])[] = [];
  const logged: string[] = [];
  const lines: LoggedLine[] = [];
  const layers = createMemoryLayerStore({
    limits: {
      maxBlobBytes: LIMITS.layerBlobBytes,
      maxUncompressedBytes: LIMITS.layerUncompressedBytes,
      maxEntries: LIMITS.layerEntries,
    },
  });
  layers.addVerified(CODE_LAYER);
  const platform = createScriptedPlatform({ createDeadlineMs: 10_000, listLagMs: 5_000 });
  return {
    store: createMemoryStore({ clock, onCommit: (writes) => commits.push(writes) }),
    queue: createMemoryQueue(),
    layers,
    platform,
    builder: createScriptedBuilder(),
    registry: null,
    platforms: new Map([[platform.kind, platform]]),
    lanes: [{ id: LANE, platform: platform.kind, policy: aPolicy(changes.policy) }],
    defaultPlatform: platform.kind,
    clock,
    random: seededRandom(),
    log: logTo((line) => {
      lines.push(line);
      if (line.level === 'warn' || line.level === 'error') logged.push(line.message);
    }),
    meters: createMeters(),
    timing: DEFAULT_TIMING,
    chunkSize: changes.chunkSize ?? 10,
    configs: createConfigCache(),
    waitOnLane: (_, ms) => clock.advance(ms),
    commits,
    logged,
    lines,
  };
}

function aPolicy(changes: Partial<LanePolicy> = {}): LanePolicy {
  return { ratePerMinute: null, maxActive: 100, ...changes };
}

/** Someone who may submit. */
export function aPrincipal(id = 'ada'): Principal {
  return { id, role: 'submitter' };
}

/** A submission that is accepted, expanded, ready to run and open on its lane. */
export function aSubmission(changes: Partial<SubmissionDoc> = {}): SubmissionDoc {
  const spec = aSpec();
  return {
    schemaVersion: SCHEMA_VERSION,
    id: 'submission',
    principal: 'ada',
    bodyHash: 'body',
    groupId: 'group',
    groupName: spec.group,
    owner: 'ada',
    name: spec.name,
    labels: spec.labels,
    mode: spec.mode,
    hardware: spec.hardware,
    module: spec.module,
    scriptPath: spec.scriptPath,
    command: spec.command,
    scriptArgs: spec.scriptArgs,
    image: spec.image,
    codeLayers: spec.codeLayers,
    dependencies: spec.dependencies,
    environment: { id: 'environment', mode: spec.mode, path: spec.source.path, extraDirs: [] },
    platform: 'process',
    lane: LANE,
    count: 1,
    chunks: 1,
    chunkSize: 10,
    acceptedAt: START,
    expanded: true,
    imageState: 'ready',
    run: { kind: 'workspace', venvKey: null, layers: spec.codeLayers },
    buildId: null,
    openLane: LANE,
    ending: 'none',
    endingState: null,
    endingCause: null,
    stopRequestedAt: null,
    ...changes,
  };
}

/** A job of `aSubmission`, QUEUED unless its state is given; `live` and `active` follow from the state. */
export function aJob(changes: Partial<JobDoc> = {}): JobDoc {
  const state = changes.state ?? 'QUEUED';
  const index = changes.index ?? 0;
  const id = changes.id ?? `${changes.submissionId ?? 'submission'}-${index}`;
  const cause = { code: 'accepted', message: 'Accepted.' } as const;
  return {
    schemaVersion: SCHEMA_VERSION,
    id,
    submissionId: 'submission',
    index,
    experimentId: `experiment-${index}`,
    groupId: 'group',
    owner: 'ada',
    platform: 'process',
    lane: LANE,
    state,
    live: !isTerminal(state),
    active: isActive(state),
    flags: [],
    facets: [],
    attempt: 1,
    claim: null,
    claimUntil: 0,
    ref: null,
    notBefore: 0,
    stopRequestedAt: null,
    order: `${START}-${id}`,
    createdAt: START,
    startedAt: null,
    finishedAt: null,
    exitCode: null,
    missedAt: null,
    cause,
    history: [{ at: START, from: null, to: 'QUEUED', cause }],
    ...changes,
  };
}

/** A lane that nobody holds. */
export function aLane(
  changes: Partial<Omit<LaneDoc, 'policy'>> & { readonly policy?: Partial<LanePolicy> } = {},
): LaneDoc {
  return {
    schemaVersion: SCHEMA_VERSION,
    id: LANE,
    platform: 'process',
    leaseHolder: null,
    leaseUntil: 0,
    epoch: 0,
    block: null,
    virtualTimes: {},
    createdAt: START,
    ...changes,
    policy: aPolicy(changes.policy),
  };
}

/** What a platform says of a job that runs. */
export function anObservation(changes: Partial<Observation> = {}): Observation {
  const state = changes.state ?? 'RUNNING';
  return {
    jobId: 'submission-0',
    attempt: 1,
    ref: 'ref-1',
    state,
    createdAt: START,
    startedAt: null,
    finishedAt: null,
    exitCode: null,
    cause: { code: 'platform', message: `The platform says ${state}.` },
    ...changes,
  };
}
