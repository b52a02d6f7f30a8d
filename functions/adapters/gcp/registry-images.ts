import { AppError, isAppError } from '../../../shared/errors/app-error.ts';
import { parseImageReference } from '../../../shared/image/reference.ts';
import {
  type ImageAddress,
  imageAddress,
  type RepositoryAddress,
  registryUrl,
} from './registry-address.ts';
import { digestOf } from './registry-bytes.ts';
import {
  type Descriptor,
  MANIFEST_TYPES,
  type Manifest,
  manifestType,
  parseManifest,
} from './registry-manifest.ts';
import { isNoRegistry, refusalWords, registryAway, requestFailed } from './registry-refusals.ts';
import type { RegistryRequests } from './registry-requests.ts';
import { isTransient } from './registry-retries.ts';

/** An image that jobs can run, as its registry has it. */
export interface FoundImage {
  readonly at: RepositoryAddress;
  /** Of its manifest. */
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Why there is no such image, in words. */
export interface NoImage {
  /** Whether its registry, which was asked, has it not; false: it refuses it, or it cannot be used. */
  readonly isMissing: boolean;
  readonly message: string;
  readonly hint: string | null;
}

/** Reads of registries. Throws AppError UNAVAILABLE. */
export interface RegistryImages {
  /** The Linux image of a reference; of one for several platforms that for x86-64, because that is what the jobs' machines are. */
  find(reference: string, signal?: AbortSignal): Promise<FoundImage | NoImage>;
  /** What a reference stands for, whatever its platforms. */
  digest(reference: string, signal?: AbortSignal): Promise<string | NoImage>;
  /** A small blob, whole. Throws AppError BUILD_FAILED. */
  blob(at: RepositoryAddress, blob: Descriptor): Promise<Uint8Array>;
  /** A blob as a stream, unchecked. */
  open(at: RepositoryAddress, digest: string): Promise<AsyncIterable<Uint8Array>>;
}

/** Reads through the given requests. */
export function createRegistryImages(requests: RegistryRequests): RegistryImages {
  return {
    find: (reference, signal) =>
      unlessInvalid(reference, async (address) => {
        const found = await manifestOf(requests, { reference, address, signal });
        if ('message' in found || found.manifest.kind !== 'index') return only(reference, found);
        const image = found.manifest.images.find(
          ({ os, architecture }) => os === 'linux' && architecture === 'amd64',
        );
        if (image === undefined) return noPlatform(reference);
        const child = { ...address, version: image.digest };
        return only(reference, await manifestOf(requests, { reference, address: child, signal }));
      }),
    digest: (reference, signal) =>
      unlessInvalid(reference, async (address) => {
        const asked: Asked = { reference, address, signal };
        const found = await call(requests, asked, 'HEAD');
        if (!(found instanceof Response)) return found;
        const digest = found.headers.get('docker-content-digest') ?? '';
        if (/^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
        const read = await manifestOf(requests, asked);
        return 'message' in read ? read : read.digest;
      }),
    blob: async (at, { digest }) => {
      const url = registryUrl(at.host, `${at.name}/blobs/${digest}`);
      const purpose = { ...at, writes: false };
      const response = await given(at, digest, requests.ask({ method: 'GET', url, purpose }));
      const bytes = await response.bytes();
      if (digestOf(bytes) === digest) return bytes;
      throw new AppError('BUILD_FAILED', `What should be the blob ${digest} has other bytes.`, {
        hint: 'Submit again; if it stays so, what is stored there is damaged.',
      });
    },
    open: async (at, digest) => {
      const url = registryUrl(at.host, `${at.name}/blobs/${digest}`);
      const purpose = { ...at, writes: false };
      const response = await given(at, digest, requests.download({ method: 'GET', url, purpose }));
      return piecesOf(response);
    },
  };
}

interface Asked {
  readonly reference: string;
  readonly address: ImageAddress;
  readonly signal: AbortSignal | undefined;
}

interface ReadManifest extends Pick<FoundImage, 'at' | 'digest' | 'mediaType' | 'bytes'> {
  readonly manifest: Manifest;
}

async function unlessInvalid<T>(
  reference: string,
  read: (address: ImageAddress) => Promise<T>,
): Promise<T | NoImage> {
  try {
    parseImageReference(reference);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { isMissing: false, message: error.message, hint: error.hint ?? null };
  }
  return read(imageAddress(reference));
}

async function manifestOf(
  requests: RegistryRequests,
  asked: Asked,
): Promise<ReadManifest | NoImage> {
  const { reference, address } = asked;
  const response = await call(requests, asked, 'GET');
  if (!(response instanceof Response)) return response;
  const said = response.headers.get('content-type') ?? '';
  const bytes = await response.bytes();
  const digest = digestOf(bytes);
  if (address.version.startsWith('sha256:') && address.version !== digest) {
    return unusable(reference, 'its registry gives a manifest of another digest');
  }
  try {
    const manifest = parseManifest(bytes, said);
    return { at: address, digest, mediaType: manifestType(bytes, said), bytes, manifest };
  } catch {
    return unusable(reference, 'its manifest cannot be read');
  }
}

async function call(
  requests: RegistryRequests,
  { reference, address, signal }: Asked,
  method: 'GET' | 'HEAD',
): Promise<Response | NoImage> {
  const { host, name, version } = address;
  try {
    const response = await requests.ask({
      method,
      url: registryUrl(host, `${name}/manifests/${version}`),
      purpose: { host, name, writes: false },
      headers: { accept: MANIFEST_TYPES },
      ...(signal === undefined ? {} : { signal }),
    });
    return response.ok ? response : await refused(reference, response);
  } catch (error) {
    if (isNoRegistry(error)) return unusable(reference, `there is no registry ${host}`);
    throw requestFailed(`${host}/${name}`, error);
  }
}

async function refused(reference: string, response: Response): Promise<NoImage> {
  const { status } = response;
  const words = await refusalWords(response);
  if (isTransient(status)) throw registryAway(reference, words);
  if (status === 401 || status === 403) {
    return {
      isMissing: false,
      message: `The registry of the image ${reference} refuses it: ${words}.`,
      hint: 'Check its name. If it is private: its repository has to let the service account of this service read it (on Google Cloud: roles/artifactregistry.reader), or use an image in a repository that does.',
    };
  }
  if (status === 404) {
    return {
      isMissing: true,
      message: `The image ${reference} is not in its registry: ${words}.`,
      hint: 'Check its name and tag.',
    };
  }
  return {
    isMissing: false,
    message: `The registry of the image ${reference} does not give it: ${words}.`,
    hint: 'Check its name.',
  };
}

function only(reference: string, found: ReadManifest | NoImage): FoundImage | NoImage {
  if ('message' in found) return found;
  const { manifest, ...rest } = found;
  if (manifest.kind === 'image') return { ...rest, ...manifest };
  return unusable(reference, 'its manifest is of no kind that is known here');
}

function noPlatform(reference: string): NoImage {
  return {
    isMissing: false,
    message: `The image ${reference} has no variant for linux/amd64, which jobs run on.`,
    hint: 'Name another image, or build this one for linux/amd64: docker buildx build --platform linux/amd64.',
  };
}

function unusable(reference: string, reason: string): NoImage {
  return {
    isMissing: false,
    message: `The image ${reference} cannot be used: ${reason}.`,
    hint: 'Check its name, or name another image.',
  };
}

async function given(
  { host, name }: RepositoryAddress,
  digest: string,
  asked: Promise<Response>,
): Promise<Response> {
  const repository = `${host}/${name}`;
  const response = await asked.catch((error: unknown) => {
    throw requestFailed(repository, error);
  });
  if (response.ok) return response;
  const { status } = response;
  const words = await refusalWords(response);
  if (isTransient(status)) throw registryAway(repository, words);
  throw new AppError('BUILD_FAILED', `The registry of ${repository} lacks ${digest}: ${words}.`, {
    hint: 'Push the image again, or name another one.',
    context: { repository, digest, status },
  });
}

async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array, void> {
  if (body !== null) yield* body;
}
