import { AppError, isAppError } from '../../../shared/errors/app-error.ts';
import { parseImageReference } from '../../../shared/image/reference.ts';
import type { ImageLookup, Registry, RunImage } from '../../ports/registry.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { BaseImage } from '../images/base-image.ts';
import type { AccessToken } from './access-token.ts';
import { runImageName, runRepository } from './image-names.ts';
import { repositoryAddress } from './registry-address.ts';
import { createRegistryImages, type NoImage } from './registry-images.ts';
import { requestFailed } from './registry-refusals.ts';
import { createRegistryRequests } from './registry-requests.ts';
import { type CodeLayers, runImageOn } from './registry-run-image.ts';
import { copyOf, storeManifest, type WantedManifest } from './registry-store.ts';

/** What the registry of a hosted service needs. */
export interface OciRegistryOptions {
  /** As in `us-central1-docker.pkg.dev/PROJECT/caliban`; image-names.ts says what is in it. */
  readonly repository: string;
  /** Where code layers are. */
  readonly layers: CodeLayers;
  /** For the repository and other registries of Google; null: the repository asks for none. */
  readonly accessToken: AccessToken | null;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly log: Log;
  /** For waits between tries, in [0, 1). */
  readonly random?: () => number;
}

/** A registry that also resolves what builds start from. */
export interface OciRegistry extends Registry {
  /** What a base image stands for now, for all its platforms. Throws AppError BUILD_FAILED, UNAVAILABLE. */
  baseImage(reference: string, signal?: AbortSignal): Promise<BaseImage>;
  /** The digest of an image, or null when it is not there. Throws AppError UNAVAILABLE. */
  digestOf(reference: string): Promise<string | null>;
}

/**
 * Images in an OCI registry, by the distribution API alone. Digests are those of manifests in `REPOSITORY/run`: what is appended goes
 * there, and what is resolved is copied there, so that a bare digest is all that jobs need, and nothing a job runs can vanish elsewhere.
 * Memory does not grow with layers.
 */
export function createOciRegistry(options: OciRegistryOptions): OciRegistry {
  const target = repositoryAddress(runRepository(options.repository));
  const deps = { ...options, host: target.host, random: options.random ?? (() => Math.random()) };
  const requests = createRegistryRequests(deps);
  const images = createRegistryImages(requests);
  const repository = runRepository(options.repository);
  const parts = { ...deps, requests, images, target, repository };
  const storing = new Map<string, Promise<void>>();

  // Who wants the same image at the same time waits for the one who makes it.
  async function stored(image: WantedManifest): Promise<void> {
    const known = storing.get(image.digest);
    const made = known ?? storeManifest(parts, image).finally(() => storing.delete(image.digest));
    storing.set(image.digest, made);
    try {
      await made;
    } catch (error) {
      throw requestFailed(repository, error);
    }
  }

  async function resolve(reference: string): Promise<ImageLookup> {
    if (/^sha256:[0-9a-f]{64}$/.test(reference)) {
      const found = await images.digest(runImageName(options.repository, reference));
      return typeof found === 'string' ? { state: 'found', digest: found } : absent(found);
    }
    return copy(reference);
  }

  async function copy(reference: string): Promise<ImageLookup> {
    const found = await images.find(reference);
    if ('message' in found) return absent(found);
    try {
      await stored(copyOf(images, found));
      return { state: 'found', digest: found.digest };
    } catch (error) {
      if (!isAppError(error, 'BUILD_FAILED')) throw error;
      return absent({ message: error.message, hint: error.hint ?? null });
    }
  }

  async function append(image: RunImage): Promise<{ digest: string }> {
    const isId = /^sha256:[0-9a-f]{64}$/.test(image.base);
    const found = await images.find(
      isId ? runImageName(options.repository, image.base) : image.base,
    );
    if ('message' in found) throw failed(found);
    const wanted = await runImageOn(parts, found, image);
    await stored(wanted);
    return { digest: wanted.digest };
  }

  return {
    resolve,
    append,
    baseImage: async (reference, signal) => {
      const digest = await images.digest(reference, signal);
      if (typeof digest !== 'string') throw failed(digest);
      const { repository: named } = parseImageReference(reference);
      return { reference, pinned: `${named}@${digest}`, digest };
    },
    digestOf: async (reference) => {
      const found = await images.digest(reference);
      if (typeof found === 'string') return found;
      if (found.isMissing) return null;
      throw new AppError('UNAVAILABLE', found.message, hintOf(found));
    },
  };
}

function absent({ message, hint }: Pick<NoImage, 'message' | 'hint'>): ImageLookup {
  return { state: 'absent', message, hint };
}

function failed(found: NoImage): AppError {
  return new AppError('BUILD_FAILED', found.message, hintOf(found));
}

function hintOf({ hint }: NoImage): { readonly hint?: string } {
  return hint === null ? {} : { hint };
}
