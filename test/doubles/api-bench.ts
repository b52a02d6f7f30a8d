import { createMemoryAuthenticator } from '../../functions/adapters/memory/memory-authenticator.ts';
import {
  createMemoryLayerStore,
  type MemoryLayerStore,
} from '../../functions/adapters/memory/memory-layer-store.ts';
import { createMemoryPlatform } from '../../functions/adapters/memory/memory-platform.ts';
import {
  createMemoryQueue,
  type MemoryQueue,
} from '../../functions/adapters/memory/memory-queue.ts';
import { createMemoryStore } from '../../functions/adapters/memory/memory-store.ts';
import type { Api } from '../../functions/api/api-host.ts';
import { type ApiOptions, createApi } from '../../functions/api/create-api.ts';
import { consume } from '../../functions/consumers/consume.ts';
import { createConfigCache } from '../../functions/core/config-cache.ts';
import type { CoreDeps } from '../../functions/core/deps.ts';
import { createMeters } from '../../functions/core/meters.ts';
import { syncLane } from '../../functions/core/sync.ts';
import { tick } from '../../functions/core/tick.ts';
import { DEFAULT_TIMING } from '../../functions/core/timing.ts';
import type { PlatformJob } from '../../functions/ports/platform.ts';
import {
  type SubmissionSpec,
  type SubmissionView,
  submissionView,
} from '../../shared/api/submissions.ts';
import { aSpec, CODE_LAYER } from './a-spec.ts';
import { type LoggedLine, logTo } from './logs.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import { createScriptedBuilder, type ScriptedBuilder } from './scripted-builder.ts';

/** A whole service in memory, with its own time. */
export interface ApiBench {
  readonly app: Api;
  readonly deps: CoreDeps;
  readonly clock: ManualClock;
  readonly layers: MemoryLayerStore;
  readonly builder: ScriptedBuilder;
  /** Lines of the service's log, newest last. */
  readonly logged: LoggedLine[];
  /** Sends a request as ada, or as another of the principals; `token: null` sends none. */
  send(path: string, init?: SendInit): Promise<Response>;
  /** Handles messages until none is left, and compares the lane with its platform. */
  work(): Promise<void>;
  /** Ten seconds later: publishes what fell due meanwhile, then works. */
  later(): Promise<void>;
  /** Submits a spec and gives the answer's JSON. */
  submit(spec: SubmissionSpec, key: string, token?: string): Promise<SubmissionView>;
}

/** A request; `json` becomes its body. */
export interface SendInit {
  readonly method?: string;
  readonly json?: unknown;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Record<string, string>;
  readonly token?: string | null;
}

/** How the pretended platform behaves, and which parts of the API differ. */
export interface BenchOptions {
  readonly durationMs?: (job: PlatformJob) => number;
  readonly output?: (job: PlatformJob) => string;
  readonly exitCode?: (job: PlatformJob) => number;
  readonly api?: Partial<ApiOptions>;
  readonly deps?: Partial<CoreDeps>;
}

const TOKENS = {
  'token-of-ada': { id: 'ada', role: 'submitter' },
  'token-of-bob': { id: 'bob', role: 'submitter' },
  'token-of-eve': { id: 'eve', role: 'viewer' },
  'token-of-root': { id: 'root', role: 'admin' },
} as const;

/** A request to sweep two learning rates with a module, as the CLI sends it. */
export function sweepSpec(changes: Partial<SubmissionSpec> = {}): SubmissionSpec {
  return aSpec({
    module: 'trainer.train',
    scriptPath: 'trainer/train.py',
    command: ['python', '-m', 'trainer.train'],
    scriptArgs: ['--seed', '7'],
    config: '{"lr": [0.1, 0.01], "note": "it\'s"}',
    labels: { team: 'vision' },
    source: { path: '/home/ada/project', extraDirs: ['data'] },
    ...changes,
  });
}

/** A service in memory: one lane on the process platform, four principals. */
export function createApiBench(options: BenchOptions = {}): ApiBench {
  const clock = createManualClock();
  const queue = createMemoryQueue();
  const logged: ApiBench['logged'] = [];
  const layers = createMemoryLayerStore({
    limits: { maxBlobBytes: 1 << 20, maxUncompressedBytes: 1 << 20, maxEntries: 100 },
  });
  layers.addVerified(CODE_LAYER);
  const builder = createScriptedBuilder();
  const deps: CoreDeps = {
    ...benchDeps({ clock, queue, logged, options }),
    layers,
    builder,
    ...options.deps,
  };
  const app = createApi({
    deps,
    uploads: layers,
    authenticator: createMemoryAuthenticator(TOKENS),
    service: { version: '1.2.3', instance: 'instance-1', host: 'one-machine' },
    allowedHosts: [],
    ...options.api,
  });
  const send: ApiBench['send'] = async (path, init = {}) => {
    const { json, token = 'token-of-ada', headers, body, method } = init;
    return app.request(path, {
      method: method ?? (json === undefined ? 'GET' : 'POST'),
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
  };
  async function work(): Promise<void> {
    for (let messages = queue.take(); messages.length > 0; messages = queue.take()) {
      for (const message of messages) await clock.until(consume(deps, message));
    }
    await syncLane(deps, LANE, { full: true, wake: 'message' });
  }
  return {
    app,
    deps,
    clock,
    layers,
    builder,
    logged,
    send,
    work,
    async later() {
      await clock.advance(10_000);
      await tick(deps);
      await work();
    },
    async submit(spec, key, token) {
      const headers = { 'Idempotency-Key': key };
      const answer = await send('/v1/submissions', {
        json: spec,
        headers,
        ...(token === undefined ? {} : { token }),
      });
      if (answer.status !== 202) throw new Error(`not accepted: ${await answer.text()}`);
      return submissionView.parse(await answer.json());
    },
  };
}

const LANE = 'process:here';

function benchDeps(parts: {
  readonly clock: ManualClock;
  readonly queue: MemoryQueue;
  readonly logged: ApiBench['logged'];
  readonly options: BenchOptions;
}): Omit<CoreDeps, 'builder' | 'layers'> {
  const { clock, queue, logged, options } = parts;
  const platform = createMemoryPlatform({
    clock,
    kind: 'process',
    createDeadlineMs: 1_000,
    listLagMs: 0,
    durationMs: options.durationMs ?? (() => Number.POSITIVE_INFINITY),
    exitCode: options.exitCode ?? (() => 0),
    ...(options.output === undefined ? {} : { output: options.output }),
  });
  let ids = 0;
  return {
    store: createMemoryStore({ clock }),
    queue,
    registry: null,
    platforms: new Map([['process', platform]]),
    lanes: [{ id: LANE, platform: 'process', policy: { ratePerMinute: null, maxActive: 1_000 } }],
    defaultPlatform: 'process',
    clock,
    random: { next: () => 0.5, id: () => (++ids).toString(16).padStart(20, '0') },
    log: logTo((line) => logged.push(line)),
    meters: createMeters(),
    timing: DEFAULT_TIMING,
    chunkSize: 200,
    configs: createConfigCache(),
    waitOnLane: (_lane, ms) => clock.sleep(ms),
  };
}
