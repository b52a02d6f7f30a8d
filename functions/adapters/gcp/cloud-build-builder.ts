import { createHash } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { BaseImages } from '../../../shared/image/base-choice.ts';
import type { BuildProgress, DependencyRequest, ImageBuilder } from '../../ports/image-builder.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { BaseImage } from '../images/base-image.ts';
import { changedSincePlanned } from '../images/build-failure.ts';
import { caBundleProblem, planDependencyImage, type WantedImage } from '../images/image-plan.ts';
import type { ReadLayerFile } from '../images/requirement-files.ts';
import { type CloudBuild, type CloudBuilds, createCloudBuilds, isLive } from './build-client.ts';
import { buildContext } from './build-context.ts';
import { wholeCharacters } from './build-log-text.ts';
import { buildFailure } from './build-outcome.ts';
import { BUILD_PLATFORM, type BuildSettings, buildRequest } from './build-spec.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';
import { dependencyImageName } from './image-names.ts';
import type { OciRegistry } from './oci-registry.ts';

/** What the builder of a hosted service needs. */
export interface CloudBuildBuilderOptions extends BuildSettings {
  readonly region: string;
  readonly endpoint: GoogleEndpoint;
  /** Base images where a request names none; null: the public ones of Python. */
  readonly baseImages: BaseImages | null;
  /** PEM of every certificate authority to trust, in builds and in jobs; null: those of the base. */
  readonly caBundlePem: string | null;
  readonly registry: Pick<OciRegistry, 'baseImage' | 'digestOf'>;
  readonly readLayerFile: ReadLayerFile;
  /** Stores a build context under its name, unless it is there. */
  readonly putContext: (name: string, bytes: Uint8Array) => Promise<StoredContext>;
  /** Reads a part of an object; undefined: there is none. `size`: all of it, by now. */
  readonly readObject: (
    bucket: string,
    name: string,
    range: { readonly offset: number; readonly maxBytes: number },
  ) => Promise<{ readonly bytes: Uint8Array; readonly size: number } | undefined>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Where a build context is. */
export interface StoredContext {
  readonly bucket: string;
  readonly object: string;
  readonly generation: string;
}

const BASE_KEPT_MS = 3_600_000;
const MAX_KEPT = 1000;
/** So long after a create with an unknown outcome no other is sent: its deadline, and how long lists may lag behind. */
const GRACE_MS = 120_000;
const LOG_PIECE_BYTES = 64 * 1024;
const LOG_TAIL_BYTES = 256 * 1024;

/** A build that this instance asked for; others and later ones find it by its tags. `id` null: nobody knows whether it was made. */
interface Sent {
  readonly id: string | null;
  readonly at: number;
  /** Builds that were known before. */
  readonly before: ReadonlySet<string>;
}

interface Builder {
  readonly options: CloudBuildBuilderOptions;
  readonly builds: CloudBuilds;
  readonly sent: Map<string, Sent>;
}

/**
 * Makes dependency images with Cloud Build: the image of a key is there when its tag is. All that has to be known is in the registry and
 * in the tags of builds, so that several instances, and later ones, agree; what this one remembers only fills the time until lists show
 * it. Two instances that start the same attempt at once may make two builds: both make the same image.
 * `builds`: Cloud Build, where it is not to be spoken to as the options say.
 */
export function createCloudBuildBuilder(
  options: CloudBuildBuilderOptions,
  builds: CloudBuilds = createCloudBuilds(options),
): ImageBuilder & { close(): Promise<void> } {
  const builder: Builder = { options, builds, sent: new Map() };
  const resolveBase = keptBases(options);
  const plan = (dependencies: DependencyRequest) =>
    planDependencyImage(dependencies, {
      resolveBase,
      readLayerFile: options.readLayerFile,
      baseImages: options.baseImages,
      caBundle: async () => caBundleOf(options),
      index: options.indexUrlSecret === null ? null : shortHash(options.indexUrlSecret),
      platform: async () => BUILD_PLATFORM,
    });
  const starting = new Map<string, Promise<void>>();

  return {
    plan: async (dependencies) => {
      const { key } = await plan(dependencies);
      const image = dependencyImageName(options.repository, key);
      return { key, ready: await isReady(options, key), image };
    },
    start: async ({ key, attempt, dependencies }) => {
      const name = nameOf(key, attempt);
      const known = starting.get(name);
      const started =
        known ??
        start(builder, { key, attempt }, () => plan(dependencies)).finally(() =>
          starting.delete(name),
        );
      starting.set(name, started);
      await started;
    },
    poll: (key, attempt) => poll(builder, { key, attempt }),
    cancel: async (key, attempt) => {
      const found = await buildsOf(builder, { key, attempt });
      for (const build of found.filter((each) => each.attempt === attempt && isLive(each))) {
        await builder.builds.cancel(build.id);
      }
    },
    readLog: async (key, offset) => readLog(builder, key, offset),
    close: () => builder.builds.close(),
  };
}

interface Wanted {
  readonly key: string;
  readonly attempt: number;
}

function nameOf(key: string, attempt: number): string {
  return `${key} ${attempt}`;
}

async function isReady({ registry, repository }: CloudBuildBuilderOptions, key: string) {
  return (await registry.digestOf(dependencyImageName(repository, key))) !== null;
}

async function start(
  builder: Builder,
  { key, attempt }: Wanted,
  plan: () => Promise<WantedImage>,
): Promise<void> {
  const { options, builds } = builder;
  if (await isReady(options, key)) return;
  const found = await buildsOf(builder, { key, attempt });
  const isUnderWay = found.some((build) => build.attempt === attempt && isLive(build));
  const isOld = found.some((build) => build.attempt > attempt);
  if (isUnderWay || isOld || isAwaited(builder, { key, attempt }, found)) return;
  const image = await plan();
  if (image.key !== key) throw changed();
  const context = buildContext(image);
  const stored = await options.putContext(context.name, context.bytes);
  for (const earlier of found.filter(isLive)) await builds.cancel(earlier.id);
  const request = buildRequest(options, { key, attempt, base: image.base, context: stored });
  const at = options.clock.now();
  const id = await builds.create(request);
  if (builder.sent.size >= MAX_KEPT) builder.sent.clear();
  const before = new Set(found.map((build) => build.id));
  builder.sent.set(nameOf(key, attempt), { id, at, before });
  if (id === null) options.log.warn({ build: key, attempt }, 'nobody knows whether a build began');
}

function changed(): AppError {
  const { message, hint } = changedSincePlanned('The base image or a setting of the service');
  return new AppError('BUILD_FAILED', message, hint === null ? {} : { hint });
}

async function poll(builder: Builder, wanted: Wanted): Promise<BuildProgress> {
  const { options } = builder;
  const { key, attempt } = wanted;
  if (await isReady(options, key)) return { state: 'ready' };
  const found = await buildsOf(builder, wanted);
  if (isAwaited(builder, wanted, found)) return { state: 'building' };
  const newest = found.find((build) => build.attempt === attempt);
  if (newest === undefined) return { state: 'absent' };
  if (isLive(newest)) return { state: 'building' };
  // It may have ended since we asked.
  if (newest.status === 'SUCCESS' && (await isReady(options, key))) return { state: 'ready' };
  const log = newest.status === 'FAILURE' ? await logTail(options, newest) : '';
  const failedAt = newest.finishedAt ?? newest.createdAt;
  return { state: 'failed', failedAt, ...buildFailure(newest, log, options) };
}

/** Whether a build may have been made that nothing shows yet. */
function isAwaited(
  { sent, options }: Builder,
  { key, attempt }: Wanted,
  found: readonly CloudBuild[],
): boolean {
  const last = sent.get(nameOf(key, attempt));
  if (last === undefined || last.id !== null) return false;
  const isShown = found.some((build) => build.attempt === attempt && !last.before.has(build.id));
  return !isShown && options.clock.now() < last.at + GRACE_MS;
}

/** All builds of a key, the newest first; what lists do not show yet is asked for by its id. */
async function buildsOf(
  { builds, sent }: Builder,
  { key, attempt }: Wanted,
): Promise<readonly CloudBuild[]> {
  const listed = await builds.list(key);
  const id = sent.get(nameOf(key, attempt))?.id ?? null;
  if (id === null || listed.some((build) => build.id === id)) return listed;
  const own = await builds.get(id);
  return own === null ? listed : [own, ...listed];
}

async function readLog(builder: Builder, key: string, offset: number) {
  const { options, sent } = builder;
  const listed = await builder.builds.list(key);
  const own = [...sent].filter(([name]) => name.startsWith(`${key} `)).map(([, { id }]) => id);
  // What lists do not show yet is the newest.
  const unlisted = own.findLast((id) => id !== null && listed.every((build) => build.id !== id));
  const newest = unlisted === undefined ? listed[0] : undefined;
  const id = unlisted ?? newest?.id ?? null;
  const none = { text: '', next: offset };
  if (id === null) return none;
  const range = { offset, maxBytes: LOG_PIECE_BYTES };
  const piece = await options.readObject(options.logsBucket, logName(id), range);
  if (piece === undefined) return none;
  const isEnd = offset + piece.bytes.length >= piece.size;
  const isOver = newest !== undefined && !isLive(newest);
  const bytes = isEnd && isOver ? piece.bytes : wholeCharacters(piece.bytes);
  return { text: new TextDecoder().decode(bytes), next: offset + bytes.length };
}

async function logTail(options: CloudBuildBuilderOptions, { id }: CloudBuild): Promise<string> {
  const { readObject, logsBucket } = options;
  const start = await readObject(logsBucket, logName(id), { offset: 0, maxBytes: LOG_TAIL_BYTES });
  if (start === undefined) return '';
  const offset = Math.max(0, start.size - LOG_TAIL_BYTES);
  const range = { offset, maxBytes: LOG_TAIL_BYTES };
  const tail = offset === 0 ? start : await readObject(logsBucket, logName(id), range);
  return new TextDecoder().decode(tail?.bytes ?? new Uint8Array());
}

/** `log-BUILDID.txt`, as builds with a logs bucket name it (cloudbuild.proto, Build.logs_bucket, read 2026-11). */
function logName(id: string): string {
  return `log-${id}.txt`;
}

// Remembered for an hour, so that a key holds while its build waits.
function keptBases({ registry, clock }: CloudBuildBuilderOptions) {
  const kept = new Map<string, { readonly base: BaseImage; readonly until: number }>();
  return async (reference: string): Promise<BaseImage> => {
    const known = kept.get(reference);
    if (known !== undefined && known.until > clock.now()) return known.base;
    const base = await registry.baseImage(reference);
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(reference, { base, until: clock.now() + BASE_KEPT_MS });
    return base;
  };
}

function caBundleOf({ caBundlePem }: CloudBuildBuilderOptions): Uint8Array | null {
  if (caBundlePem === null) return null;
  const bytes = new TextEncoder().encode(caBundlePem);
  const problem = caBundleProblem(bytes);
  if (problem === null) return bytes;
  throw new AppError('BUILD_FAILED', `The CA bundle of the service ${problem}.`, {
    hint: 'Ask who runs the service to set a PEM text of the certificate authorities to trust.',
  });
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
