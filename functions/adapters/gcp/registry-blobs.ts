import { isAppError } from '../../../shared/errors/app-error.ts';
import { mayLeadTo, type RepositoryAddress, registryUrl } from './registry-address.ts';
import { type BlobFacts, checkedBlob } from './registry-bytes.ts';
import { uploadUnsafe, writeRefused } from './registry-refusals.ts';
import type { RegistryRequests } from './registry-requests.ts';
import {
  isNetworkTrouble,
  isTransient,
  pauseMs,
  type RetryDeps,
  retryAfterMs,
  TRIES,
} from './registry-retries.ts';

/** A blob to store, and where its bytes come from. */
export interface StoredBlob extends BlobFacts {
  /** A repository that has it; of the same registry, it needs no sending. Null: none. */
  readonly mountFrom: RepositoryAddress | null;
  /** Its bytes, again for each try. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

/** What storing needs. `target`: the repository to store in; `repository`: its name for people. */
export interface BlobDeps extends RetryDeps {
  readonly requests: RegistryRequests;
  readonly target: RepositoryAddress;
  readonly repository: string;
}

/**
 * Stores a blob unless it is there. It is sent in one piece, as a stream: Artifact Registry takes no chunks
 * (docs.cloud.google.com/artifact-registry/docs/reference/docker-api, read 2026-11). What broke off begins anew. Throws AppError
 * UNAVAILABLE, BUILD_FAILED for bytes that are not the blob's, what `open` throws.
 */
export async function storeBlob(deps: BlobDeps, blob: StoredBlob): Promise<void> {
  const { target, repository, requests, clock } = deps;
  const url = registryUrl(target.host, `${target.name}/blobs/${blob.digest}`);
  const purpose = { ...target, writes: true };
  const found = await requests.ask({ method: 'HEAD', url, purpose });
  if (found.ok) return;
  if (isTransient(found.status)) throw await writeRefused(repository, found);
  for (let tried = 1; ; tried++) {
    const sent = await send(deps, blob);
    if (sent === null) return;
    if (tried === TRIES || !sent.again) throw sent.error;
    await clock.sleep(pauseMs(deps, tried, sent.afterMs));
  }
}

/** A try that did not store it. */
interface Unsent {
  readonly error: unknown;
  readonly again: boolean;
  readonly afterMs: number;
}

async function send(deps: BlobDeps, blob: StoredBlob): Promise<Unsent | null> {
  const { requests, target, repository, clock } = deps;
  const purpose = { ...target, writes: true };
  const location = await openUpload(deps, blob);
  if (location === null) return null;
  location.searchParams.set('digest', blob.digest);
  const source = watched(checkedBlob(await blob.open(), blob));
  try {
    const { size } = blob;
    const sent = await requests.upload({ url: location, purpose, size, source: source.bytes() });
    if (sent.ok) {
      await sent.body?.cancel();
      return null;
    }
    const again = isTransient(sent.status) || sent.status === 404; // the upload is not known any more
    const afterMs = retryAfterMs(sent, clock.now());
    return { error: await writeRefused(repository, sent), again, afterMs };
  } catch (caught) {
    const error = source.failure() ?? caught;
    return { error, again: !isAppError(error) && isNetworkTrouble(error), afterMs: 0 };
  }
}

/** Where to send it; null: the registry had it elsewhere, and has it here now. */
async function openUpload(
  { requests, target, repository }: BlobDeps,
  { digest, mountFrom }: StoredBlob,
): Promise<URL | null> {
  const url = registryUrl(target.host, `${target.name}/blobs/uploads/`);
  if (mountFrom !== null && mountFrom.host === target.host) {
    url.searchParams.set('mount', digest);
    url.searchParams.set('from', mountFrom.name);
  }
  const response = await requests.ask({
    method: 'POST',
    url,
    purpose: { ...target, writes: true },
    headers: { 'content-length': '0' },
  });
  const location = response.headers.get('location') ?? '';
  if (response.status === 202 && URL.canParse(location, url.href)) {
    const next = new URL(location, url);
    if (mayLeadTo(target.host, next)) return next;
    throw uploadUnsafe(repository, next);
  }
  if (response.status !== 201) throw await writeRefused(repository, response);
  return null;
}

// `fetch` hides what a body threw behind an error of its own.
function watched(source: AsyncIterable<Uint8Array>) {
  let failure: unknown;
  return {
    failure: () => failure,
    bytes: async function* () {
      try {
        yield* source;
      } catch (error) {
        failure = error;
        throw error;
      }
    },
  };
}
