import * as z from 'zod';
import type { Clock } from '../../ports/runtime.ts';
import type { AccessToken } from './access-token.ts';
import { isGoogleRegistry, mayLeadTo, type RepositoryAddress } from './registry-address.ts';
import { readAtMost } from './registry-bytes.ts';

/** What a request is for: the repository, and whether it writes there. */
export interface Purpose extends RepositoryAddress {
  readonly writes: boolean;
}

/** Who asks. */
export interface SignIn {
  /** What to send as `Authorization`; null: nothing. */
  header(purpose: Purpose): Promise<string | null>;
  /** Answers a 401: whether there is something new to send now. */
  answer(purpose: Purpose, refusal: Response): Promise<boolean>;
}

/** What signing in needs. `host`: of the service's own repository. `accessToken` null: it asks for no sign-in of Google. */
export interface SignInDeps {
  readonly host: string;
  readonly accessToken: AccessToken | null;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

const TIMEOUT_MS = 20_000;
const MAX_BYTES = 1024 * 1024;
const MAX_KEPT = 500;
const SHORTEST_S = 60;

/**
 * The access token of this service goes to its own registry and to others of Google, never elsewhere. Other registries give anyone a
 * token of their own (https://distribution.github.io/distribution/spec/auth/token/, read 2026-11), which is kept while it lasts.
 */
export function createSignIn(deps: SignInDeps): SignIn {
  const { host: own, accessToken, clock } = deps;
  const kept = new Map<string, { readonly token: string; readonly until: number }>();
  const isOurs = (host: string) => host === own || isGoogleRegistry(host);
  const keyOf = ({ host, name, writes }: Purpose) => `${host} ${name} ${writes}`;

  return {
    header: async (purpose) => {
      if (accessToken !== null && isOurs(purpose.host)) return `Bearer ${await accessToken()}`;
      const found = kept.get(keyOf(purpose));
      return found !== undefined && found.until > clock.now() ? `Bearer ${found.token}` : null;
    },
    answer: async (purpose, refusal) => {
      if (accessToken !== null && isOurs(purpose.host)) return false;
      const challenge = bearerChallenge(refusal.headers.get('www-authenticate') ?? '');
      if (challenge === null || !mayLeadTo(purpose.host, challenge)) return false;
      const given = await askForToken(deps, challenge);
      if (given === null) return false;
      if (kept.size >= MAX_KEPT) kept.clear();
      // A little earlier than it says: it has to last until it arrives.
      kept.set(keyOf(purpose), {
        token: given.token,
        until: clock.now() + given.seconds * 900,
      });
      return true;
    },
  };
}

/** Whom a `WWW-Authenticate: Bearer` header sends to, with service and scope; null for anything else. */
export function bearerChallenge(header: string): URL | null {
  const [, rest] = /^bearer\s+(.*)$/is.exec(header) ?? [];
  if (rest === undefined) return null;
  const values = new Map<string, string>();
  for (const [, name = '', value = ''] of rest.matchAll(/([a-z]+)="([^"]*)"/gi)) {
    values.set(name.toLowerCase(), value);
  }
  const realm = values.get('realm') ?? '';
  if (!URL.canParse(realm)) return null;
  const url = new URL(realm);
  for (const name of ['service', 'scope']) {
    const value = values.get(name);
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

async function askForToken({ fetch }: SignInDeps, url: URL) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { signal, redirect: 'error' });
  if (!response.ok) {
    await response.body?.cancel();
    return null;
  }
  const bytes = await readAtMost(response, MAX_BYTES);
  return parseToken(new TextDecoder().decode(bytes));
}

function parseToken(text: string) {
  try {
    return tokenSchema.parse(JSON.parse(text));
  } catch {
    return null; // as if it had given none: the registry's own refusal says more
  }
}

const tokenSchema = z
  .object({
    token: z.string().optional(),
    access_token: z.string().optional(),
    expires_in: z.number().optional(),
  })
  .transform(({ token, access_token, expires_in }) => {
    const given = token ?? access_token ?? '';
    const seconds = Math.max(SHORTEST_S, expires_in ?? SHORTEST_S);
    return given === '' ? null : { token: given, seconds };
  });
