import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import type { BaseImages } from '../../../../../shared/image/base-choice.ts';
import { indexUrlProblem } from '../../../../../shared/image/index-url.ts';
import type { DependencyRequest } from '../../../../ports/image-builder.ts';
import {
  caBundleProblem,
  planDependencyImage,
  type WantedImage as Wanted,
} from '../../../images/image-plan.ts';
import type { ReadLayerFile } from '../../../images/requirement-files.ts';
import type { Engine } from '../engine/engine.ts';
import { ANSWER_MS, askForUser } from '../engine/engine-call.ts';
import type { BaseImage, ResolveBase } from './base-image.ts';

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

/** A dependency image to make here. */
export type WantedImage = Wanted<BaseImage>;

/** What these dependencies ask for. Throws AppError BUILD_FAILED, PLATFORM_UNSUPPORTED, UNAVAILABLE. */
export async function wantedImage(
  dependencies: DependencyRequest,
  sources: ImageSources,
): Promise<WantedImage> {
  const { engine, resolveBase, readLayerFile, settings } = sources;
  const { baseImages, caBundle, indexUrl } = settings;
  return planDependencyImage(dependencies, {
    resolveBase,
    readLayerFile,
    baseImages,
    caBundle: async () => (caBundle === null ? null : readCaBundle(caBundle)),
    index: indexUrl === null ? null : indexName(indexUrl),
    platform: () => platformOf(engine),
  });
}

async function platformOf(engine: Engine): Promise<string> {
  const { Os: os, Arch: architecture } = await askForUser({ ms: ANSWER_MS }, () =>
    engine.version(),
  );
  return `${os ?? 'linux'}/${architecture ?? 'unknown'}`;
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
  const problem = caBundleProblem(bytes);
  if (problem !== null) throw fail(problem);
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
  return createHash('sha256').update(`${url.origin}${url.pathname}`).digest('hex').slice(0, 16);
}
