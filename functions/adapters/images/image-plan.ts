import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { type BaseImages, chooseBase } from '../../../shared/image/base-choice.ts';
import {
  BUILD_CONTEXT,
  dependencyDockerfile,
} from '../../../shared/image/dependency-dockerfile.ts';
import { namesExtraIndex } from '../../../shared/image/requirement-lines.ts';
import type { DependencyRequest } from '../../ports/image-builder.ts';
import type { BaseImage } from './base-image.ts';
import { type ReadLayerFile, requirementFiles } from './requirement-files.ts';

/** What a dependency image follows from, besides the dependencies. */
export interface PlanSources<Base extends BaseImage> {
  readonly resolveBase: (reference: string) => Promise<Base>;
  readonly readLayerFile: ReadLayerFile;
  /** Base images where a request names none; null: the public ones of Python. */
  readonly baseImages: BaseImages | null;
  /** PEM of every certificate authority to trust, in builds and in jobs; null: those of the base. */
  readonly caBundle: () => Promise<Uint8Array | null>;
  /** Tells the package index of the service from others, without credentials; null: the usual one. */
  readonly index: string | null;
  /** As in `linux/amd64`. */
  readonly platform: () => Promise<string>;
}

/** A dependency image to make. */
export interface WantedImage<Base extends BaseImage = BaseImage> {
  readonly key: string;
  readonly base: Base;
  readonly dockerfile: string;
  /** What the build context holds beside the Dockerfile, by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const SCHEMA = 'image-1';
const MAX_CA_BUNDLE_BYTES = 4 * 1024 * 1024;

/** What these dependencies ask for. Throws AppError BUILD_FAILED, PLATFORM_UNSUPPORTED, and what the sources throw. */
export async function planDependencyImage<Base extends BaseImage>(
  dependencies: DependencyRequest,
  sources: PlanSources<Base>,
): Promise<WantedImage<Base>> {
  const { apt, extras, layer } = dependencies;
  refuseExtras(extras);
  const requirements =
    dependencies.requirements === null ? null : posix.normalize(dependencies.requirements);
  const choice = chooseBase(dependencies, sources.baseImages);
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
    hasCaBundle: files.has(BUILD_CONTEXT.caBundle),
    index: sources.index,
  });
  const key = keyOf({ base, platform: await sources.platform(), dockerfile, files });
  return { key, base, dockerfile, files };
}

/** What is wrong with a bundle of certificate authorities, after its name; null: nothing. */
export function caBundleProblem(bytes: Uint8Array): string | null {
  if (bytes.length > MAX_CA_BUNDLE_BYTES) return `is over ${MAX_CA_BUNDLE_BYTES} bytes`;
  const text = new TextDecoder('latin1').decode(bytes);
  return text.includes('-----BEGIN CERTIFICATE-----') ? null : 'holds no PEM certificate';
}

function keyOf(from: Omit<WantedImage, 'key'> & { readonly platform: string }): string {
  const { base, platform, dockerfile, files } = from;
  const digests = [...files].map(([path, bytes]) => [path, sha256(bytes)]);
  const sorted = digests.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return sha256(JSON.stringify([SCHEMA, base.digest, platform, dockerfile, sorted]));
}

async function contextFiles(
  { layer, requirements: path }: Pick<DependencyRequest, 'layer' | 'requirements'>,
  { readLayerFile, caBundle }: Pick<PlanSources<BaseImage>, 'readLayerFile' | 'caBundle'>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  if (path !== null) {
    for (const [name, bytes] of await requirementFiles(readLayerFile, { layer, path })) {
      files.set(`${BUILD_CONTEXT.requirements}/${name}`, bytes);
    }
  }
  const authorities = await caBundle();
  if (authorities !== null) files.set(BUILD_CONTEXT.caBundle, authorities);
  return files;
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
