import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { type BaseImages, chooseBase } from '../../../../../shared/image/base-choice.ts';
import {
  BUILD_CONTEXT,
  dependencyDockerfile,
} from '../../../../../shared/image/dependency-dockerfile.ts';
import { indexUrlProblem } from '../../../../../shared/image/index-url.ts';
import { namesExtraIndex } from '../../../../../shared/image/requirement-lines.ts';
import type { DependencyRequest } from '../../../../ports/image-builder.ts';
import type { Engine } from '../engine/engine.ts';
import { ANSWER_MS, askForUser } from '../engine/engine-call.ts';
import type { BaseImage, ResolveBase } from './base-image.ts';
import { type ReadLayerFile, requirementFiles } from './requirement-files.ts';

/** What a dependency image follows from. */
export interface ImageSources {
  readonly engine: Engine;
  readonly resolveBase: ResolveBase;
  readonly readLayerFile: ReadLayerFile;
  readonly settings: ImageSettings;
}

/** What the service says of all its images. */
export interface ImageSettings {
  /** Base images where a request names none; null: the public ones of Python. */
  readonly baseImages: BaseImages | null;
  /** Path of a PEM file with every certificate authority to trust, in builds and in jobs; null: those of the base. */
  readonly caBundle: string | null;
  /** URL of the package index to install from, with its user and password if it needs any; null: the usual one. */
  readonly indexUrl: string | null;
}

/** A dependency image to make. */
export interface WantedImage {
  readonly key: string;
  readonly base: BaseImage;
  readonly dockerfile: string;
  /** What the build context holds beside the Dockerfile, by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const SCHEMA = 'image-1';
const MAX_CA_BUNDLE_BYTES = 4 * 1024 * 1024;

/** What these dependencies ask for. Throws AppError BUILD_FAILED, PLATFORM_UNSUPPORTED, UNAVAILABLE. */
export async function wantedImage(
  dependencies: DependencyRequest,
  sources: ImageSources,
): Promise<WantedImage> {
  const { engine, settings } = sources;
  const { apt, extras, layer } = dependencies;
  refuseExtras(extras);
  const requirements =
    dependencies.requirements === null ? null : posix.normalize(dependencies.requirements);
  const choice = chooseBase(dependencies, settings.baseImages);
  const files = await contextFiles({ layer, requirements }, sources);
  const base = await sources.resolveBase(choice.reference);
  const dockerfile = dependencyDockerfile({
    base: base.pinned,
    apt,
    python: choice.python,
    requirements,
    hasExtraIndex: [...files.values()].some((bytes) =>
      namesExtraIndex(new TextDecoder().decode(bytes)),
    ),
    hasCaBundle: settings.caBundle !== null,
    index: settings.indexUrl === null ? null : indexName(settings.indexUrl),
  });
  const key = keyOf({ base, platform: await platformOf(engine), dockerfile, files });
  return { key, base, dockerfile, files };
}

function keyOf(from: Omit<WantedImage, 'key'> & { readonly platform: string }): string {
  const { base, platform, dockerfile, files } = from;
  const digests = [...files].map(([path, bytes]) => [path, sha256(bytes)]);
  const sorted = digests.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return sha256(JSON.stringify([SCHEMA, base.digest, platform, dockerfile, sorted]));
}

async function platformOf(engine: Engine): Promise<string> {
  const { Os: os, Arch: architecture } = await askForUser({ ms: ANSWER_MS }, () =>
    engine.version(),
  );
  return `${os ?? 'linux'}/${architecture ?? 'unknown'}`;
}

async function contextFiles(
  { layer, requirements: path }: Pick<DependencyRequest, 'layer' | 'requirements'>,
  { readLayerFile, settings }: ImageSources,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  if (path !== null) {
    for (const [name, bytes] of await requirementFiles(readLayerFile, { layer, path })) {
      files.set(`${BUILD_CONTEXT.requirements}/${name}`, bytes);
    }
  }
  if (settings.caBundle !== null) {
    files.set(BUILD_CONTEXT.caBundle, await readCaBundle(settings.caBundle));
  }
  return files;
}

async function readCaBundle(path: string): Promise<Uint8Array> {
  const fail = (reason: string, cause?: unknown) =>
    new AppError('BUILD_FAILED', `The CA bundle ${path} of the service ${reason}.`, {
      hint: 'Set ca_bundle to a PEM file of the certificate authorities to trust.',
      cause,
    });
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw fail(`cannot be read: ${cause instanceof Error ? cause.message : cause}`, cause);
  });
  if (bytes.length > MAX_CA_BUNDLE_BYTES) throw fail(`is over ${MAX_CA_BUNDLE_BYTES} bytes`);
  if (!bytes.includes('-----BEGIN CERTIFICATE-----')) throw fail('holds no PEM certificate');
  return bytes;
}

/** What tells an index from others: neither its credentials nor anything they could be read from. */
function indexName(indexUrl: string): string {
  const problem = indexUrlProblem(indexUrl);
  if (problem !== null) {
    throw new AppError('BUILD_FAILED', `The index_url of the service ${problem.message}`, {
      hint: problem.hint,
    });
  }
  const url = new URL(indexUrl);
  return sha256(`${url.origin}${url.pathname}`).slice(0, 16);
}

function refuseExtras(extras: readonly string[]): void {
  if (extras.length === 0) return;
  throw new AppError(
    'PLATFORM_UNSUPPORTED',
    `This service installs requirements files only, no extras (${extras.join(', ')}).`,
    { hint: 'Leave out --extras, and name what they need in requirements.txt.' },
  );
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
