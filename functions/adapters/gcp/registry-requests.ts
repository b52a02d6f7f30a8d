import type { Clock } from '../../ports/runtime.ts';
import type { AccessToken } from './access-token.ts';
import { mayLeadTo, registryUrl } from './registry-address.ts';
import { createPatience, type Patience, readAtMost } from './registry-bytes.ts';
import { withRetries } from './registry-retries.ts';
import { createSignIn, type Purpose, type SignIn } from './registry-sign-in.ts';

/** One request. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly url: URL;
  readonly purpose: Purpose;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** A blob to send, once: its size is sent ahead. */
export interface BlobRequest {
  readonly url: URL;
  readonly purpose: Purpose;
  readonly size: number;
  readonly source: AsyncIterable<Uint8Array>;
}

/** Requests to registries. Answers of any status; throws what `fetch` does when there is none. */
export interface RegistryRequests {
  /** Asks, again if need be, and gives the whole answer: at most 8 MiB, within a minute. Throws AppError BUILD_FAILED for more. */
  ask(request: RegistryRequest): Promise<Response>;
  /** Opens a download of any size: its body may take as long as something moves. It has to be read, or cancelled. */
  download(request: RegistryRequest): Promise<Response>;
  /** Sends a blob, once; to another origin (scheme, host, port) than the registry's without a sign-in. */
  upload(request: BlobRequest): Promise<Response>;
}

/** What requests need. `host`: of the service's own repository. */
export interface RequestDeps {
  readonly host: string;
  readonly accessToken: AccessToken | null;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly random: () => number;
}

const ANSWER_MS = 60_000;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const SILENCE_MS = 120_000;
const MAX_REDIRECTS = 5;

/** Requests with sign-in, deadlines, retries and safe redirects. */
export function createRegistryRequests(deps: RequestDeps): RegistryRequests {
  const signIn = createSignIn(deps);
  return {
    ask: (request) =>
      withRetries(
        deps,
        async () => {
          const deadline = AbortSignal.timeout(ANSWER_MS);
          const { signal: given } = request;
          const signal = given === undefined ? deadline : AbortSignal.any([given, deadline]);
          return readWhole(await signedIn({ deps, signIn }, { ...request, signal }));
        },
        request.signal,
      ),
    download: (request) =>
      withRetries(deps, () => patientDownload({ deps, signIn }, request), request.signal),
    upload: async ({ url, purpose, size, source }) => {
      const patience = createPatience(SILENCE_MS);
      const headers = {
        'content-type': 'application/octet-stream',
        'content-length': String(size),
      };
      const isOwn = url.origin === registryUrl(purpose.host, '').origin;
      try {
        return await deps.fetch(url, {
          method: 'PUT',
          headers: isOwn ? await headersOf(signIn, purpose, headers) : headers,
          body: renewing(source, patience),
          duplex: 'half',
          // Else `fetch` keeps a copy of the body for where it is redirected to: all of a layer (undici of Node 24, tried).
          redirect: 'error',
          signal: patience.signal,
        });
      } finally {
        patience.end();
      }
    },
  };
}

// Before it counts as an answer: one that breaks off is asked for again.
async function readWhole(response: Response): Promise<Response> {
  const bytes = await readAtMost(response, MAX_ANSWER_BYTES);
  const { status, statusText, headers } = response;
  return new Response(bytes.length === 0 ? null : bytes, { status, statusText, headers });
}

interface Asking {
  readonly deps: RequestDeps;
  readonly signIn: SignIn;
}

// A 401 is answered once, with what it asks for.
async function signedIn(asking: Asking, request: RegistryRequest): Promise<Response> {
  const response = await redirected(asking, request);
  if (response.status !== 401) return response;
  if (!(await asking.signIn.answer(request.purpose, response))) return response;
  await response.body?.cancel();
  return redirected(asking, request);
}

/**
 * Follows redirects of what is read. To another origin nothing is sent along that tells who asks, because blobs are in stores that
 * have addresses with a signature of their own; and never from TLS to none.
 */
async function redirected({ deps, signIn }: Asking, request: RegistryRequest): Promise<Response> {
  const { method, purpose, headers: wanted, body, signal } = request;
  const headers = await headersOf(signIn, purpose, wanted ?? {});
  const { authorization: _, ...anonymous } = headers;
  const options: RequestInit = { method, redirect: 'manual' };
  if (body !== undefined) options.body = body;
  if (signal !== undefined) options.signal = signal;
  let url = request.url;
  for (let followed = 0; ; followed++) {
    const isSame = url.origin === request.url.origin;
    const response = await deps.fetch(url, { ...options, headers: isSame ? headers : anonymous });
    const next = redirectOf(response, url);
    const isFollowed = method !== 'POST' && method !== 'PUT' && followed < MAX_REDIRECTS;
    if (next === null || !isFollowed || !mayLeadTo(request.url.host, next)) return response;
    await response.body?.cancel();
    url = next;
  }
}

function redirectOf(response: Response, from: URL): URL | null {
  const location = response.headers.get('location');
  const isRedirect = [301, 302, 303, 307, 308].includes(response.status);
  if (!isRedirect || location === null || !URL.canParse(location, from.href)) return null;
  return new URL(location, from);
}

async function patientDownload(asking: Asking, request: RegistryRequest): Promise<Response> {
  const patience = createPatience(SILENCE_MS, request.signal);
  try {
    const response = await signedIn(asking, { ...request, signal: patience.signal });
    if (!response.ok || response.body === null) {
      patience.end();
      return response;
    }
    const body = ReadableStream.from(received(response.body, patience));
    return new Response(body, { status: response.status, headers: response.headers });
  } catch (error) {
    patience.end();
    throw error;
  }
}

async function* renewing(
  source: AsyncIterable<Uint8Array>,
  patience: Patience,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of source) {
    patience.renew();
    yield piece;
  }
}

// What was received is over; what was sent still waits for its answer.
async function* received(
  source: AsyncIterable<Uint8Array>,
  patience: Patience,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* renewing(source, patience);
  } finally {
    patience.end();
  }
}

async function headersOf(
  signIn: SignIn,
  purpose: Purpose,
  headers: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const authorization = await signIn.header(purpose);
  return { ...headers, ...(authorization === null ? {} : { authorization }) };
}
