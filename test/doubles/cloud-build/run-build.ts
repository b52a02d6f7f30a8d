import type { Clock } from '../../../functions/ports/runtime.ts';
import type { BuildLog } from './build-log.ts';
import {
  type Build,
  type BuildStatus,
  type BuiltImage,
  type FailureType,
  wireTime,
} from './build-record.ts';
import { BuildFailure, BuildStop } from './build-stop.ts';
import type { BuildMachine, Executor } from './executor.ts';
import { runSteps } from './run-steps.ts';
import type { BuiltInValues } from './substitutions.ts';

/** Reads an object of Cloud Storage; undefined when there is none of that name and generation. */
export type GetObject = (
  bucket: string,
  object: string,
  generation: string | undefined,
) => Promise<{ readonly bytes: Uint8Array; readonly generation: string } | undefined>;

/** What goes wrong with one build for no reason of its own. */
export type Breakage = 'INTERNAL_ERROR' | 'FETCH_SOURCE_FAILED' | 'LOGGING_FAILURE' | 'PUSH_FAILED';

export interface RunDeps {
  readonly executor: Executor;
  readonly clock: Clock;
  readonly getObject: GetObject;
  /** Values by name of the secret's version. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly log: BuildLog;
  readonly builtIn: BuiltInValues;
  readonly breakage: Breakage | undefined;
  /** Aborted with a BuildStop. */
  readonly signal: AbortSignal;
}

/** What the end of a build changes in it. */
export type BuildEnd = Partial<Build> & { readonly status: BuildStatus };

const DETAILS = {
  USER_BUILD_STEP: 'Build step failure: ',
  FETCH_SOURCE_FAILED: 'Source fetching failure: ',
  LOGGING_FAILURE: 'Logging failure: ',
  PUSH_FAILED: 'Push failure: ',
  PUSH_IMAGE_NOT_FOUND: 'Push image not found: ',
  PUSH_NOT_AUTHORIZED: 'Push not authorized: ',
} as const satisfies Record<FailureType, string>;

/** One run, and what becomes known of the build meanwhile. */
export interface Run {
  readonly build: Build;
  readonly deps: RunDeps;
  readonly known: { -readonly [field in keyof Build]?: Build[field] };
}

/** Runs a build to its end: source, steps, images. Never throws but for a bug. */
export async function runBuild(build: Build, deps: RunDeps): Promise<BuildEnd> {
  const run: Run = { build, deps, known: {} };
  const end = await endOf(run);
  return { ...run.known, ...end };
}

async function endOf(run: Run): Promise<BuildEnd> {
  const { build, deps } = run;
  deps.log.line(`starting build "${build.id}"\n`);
  let end: BuildEnd;
  try {
    await opened(run);
    await onMachine(run);
    deps.log.line('DONE');
    end = { status: 'SUCCESS' };
  } catch (error) {
    end = failed(deps, error);
  }
  try {
    await deps.log.close();
    return end;
  } catch (error) {
    if (end.status !== 'SUCCESS') return end;
    return failed(deps, new BuildFailure('LOGGING_FAILURE', messageOf(error)));
  }
}

async function opened({ deps }: Run): Promise<void> {
  if (deps.breakage === 'LOGGING_FAILURE') {
    throw new BuildFailure('LOGGING_FAILURE', 'the log could not be written');
  }
  await deps.log.open().catch((error: unknown) => {
    throw new BuildFailure('LOGGING_FAILURE', messageOf(error));
  });
}

async function onMachine(run: Run): Promise<void> {
  const machine = await run.deps.executor.machine(run.build);
  try {
    await fetchSource(run, machine);
    if (run.deps.breakage === 'INTERNAL_ERROR') throw new Error('Internal error.');
    run.deps.log.line('BUILD');
    await timed(run, { phase: 'BUILD', work: () => runSteps(run, machine) });
    await pushImages(run, machine);
  } finally {
    await machine.close();
  }
}

async function timed<T>(
  { deps: { clock }, known }: Run,
  { phase, work }: { readonly phase: string; readonly work: () => Promise<T> },
): Promise<T> {
  const startTime = wireTime(clock.now());
  try {
    return await work();
  } finally {
    known.timing = { ...known.timing, [phase]: { startTime, endTime: wireTime(clock.now()) } };
  }
}

async function fetchSource(run: Run, machine: BuildMachine): Promise<void> {
  const source = run.build.source?.storageSource;
  if (!source) return;
  const { deps, known } = run;
  const { bucket, object } = source;
  const wanted = source.generation === '0' ? undefined : source.generation;
  const url = `gs://${bucket}/${object}${wanted === undefined ? '' : `#${wanted}`}`;
  deps.log.line(`FETCHSOURCE\nFetching storage object: ${url}`);
  const work = async () => {
    const broken = deps.breakage === 'FETCH_SOURCE_FAILED';
    const found = broken ? undefined : await deps.getObject(bucket, object, wanted);
    deps.signal.throwIfAborted();
    if (found === undefined || (wanted ?? found.generation) !== found.generation) {
      throw new Error(`failed to fetch ${url}: storage: object doesn't exist`);
    }
    await machine.unpack(found.bytes, object);
    const resolved = { bucket, object, generation: found.generation };
    known.sourceProvenance = { resolvedStorageSource: resolved };
  };
  await timed(run, { phase: 'FETCHSOURCE', work }).catch((error: unknown) => {
    deps.signal.throwIfAborted();
    throw new BuildFailure('FETCH_SOURCE_FAILED', messageOf(error));
  });
}

async function pushImages(run: Run, machine: BuildMachine): Promise<void> {
  const { build, deps, known } = run;
  if (build.images.length === 0) return;
  deps.log.line('PUSH');
  const images: BuiltImage[] = [];
  const work = async () => {
    for (const name of build.images) {
      deps.log.line(`Pushing ${name}`);
      const startTime = wireTime(deps.clock.now());
      if (deps.breakage === 'PUSH_FAILED') throw new BuildFailure('PUSH_FAILED', name);
      const digest = await machine.push(name);
      deps.signal.throwIfAborted();
      if (digest === undefined) {
        const why = `An image does not exist locally with the tag: ${name}`;
        throw new BuildFailure('PUSH_IMAGE_NOT_FOUND', `failed to find one or more images: ${why}`);
      }
      images.push({ name, digest, pushTiming: { startTime, endTime: wireTime(deps.clock.now()) } });
    }
  };
  await timed(run, { phase: 'PUSH', work });
  known.results = { buildStepImages: [], buildStepOutputs: [], ...known.results, images };
}

function failed({ log, signal }: RunDeps, error: unknown): BuildEnd {
  const why = signal.aborted ? signal.reason : error;
  if (why instanceof BuildStop) {
    log.line(`${why.status}\nERROR: ${why.message}`);
    return { status: why.status, statusDetail: why.message };
  }
  if (!(why instanceof BuildFailure)) {
    log.line('ERROR: Internal error.');
    return { status: 'INTERNAL_ERROR', statusDetail: messageOf(why) };
  }
  log.line(`ERROR\nERROR: ${why.message}`);
  return {
    status: 'FAILURE',
    statusDetail: why.message,
    failureInfo: { type: why.type, detail: `${DETAILS[why.type]}${why.message}` },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
