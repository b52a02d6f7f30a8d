import * as z from 'zod';
import { AppError, isAppError } from '../../../shared/errors/app-error.ts';
import type { Clock } from '../../ports/runtime.ts';
import { unavailable } from './google-errors.ts';

/** Google signs with RS256; others with ES256. Nothing that needs a shared secret, and never `none`. */
const ALGORITHMS = ['RS256', 'ES256'];
const SKEW_SECONDS = 60;
const FETCH_MS = 5_000;
const LONGEST_TOKEN = 16 * 1024;
const GOOGLE = 'https://accounts.google.com';

/** Who may call, and how their tokens are checked. */
export interface OidcCallerOptions {
  /** URL of the issuer; https://accounts.google.com for service accounts of Google. */
  readonly issuer: string;
  /** Where its keys are; null: where its discovery document says. */
  readonly jwksUri: string | null;
  /** Exactly the token's `aud`. */
  readonly audience: string;
  /** Accounts that may call. */
  readonly emails: readonly string[];
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

/**
 * Checks that a request comes from one of the accounts: its Authorization header must bear an ID token of the issuer, signed, for this
 * audience, valid now (within 60 s), with an e-mail that the issuer verified and that is one of ours. Throws AppErrors UNAUTHENTICATED
 * and FORBIDDEN, which say what is wrong and never the token, and UNAVAILABLE when the issuer's keys cannot be had. Keys are kept by
 * their id, and asked for again when a token names another one (at most every 30 s) or after ten minutes.
 */
export function createOidcCaller(
  options: OidcCallerOptions,
): (authorization: string | undefined) => Promise<void> {
  const { audience, emails, clock } = options;
  let keys: Promise<KeySet> | undefined;

  async function keySet(): Promise<KeySet> {
    keys ??= openKeySet(options);
    try {
      return await keys;
    } catch (error) {
      keys = undefined;
      throw error;
    }
  }

  async function verified(token: string) {
    const [{ jwtVerify }, getKey] = await Promise.all([import('jose/jwt/verify'), keySet()]);
    try {
      const { payload } = await jwtVerify(token, getKey, {
        algorithms: ALGORITHMS,
        issuer: spellings(options.issuer),
        audience,
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(clock.now()),
        requiredClaims: ['exp', 'iat'],
      });
      return payload;
    } catch (error) {
      throw refusalOf(error);
    }
  }

  return async (authorization) => {
    const payload = await verified(bearerOf(authorization));
    const claims = ours.safeParse(payload);
    if (!claims.success) {
      throw refused(`its claim ${claims.error.issues[0]?.path.join('.')} is not as it must be`);
    }
    const { aud, iat, email } = claims.data;
    if (aud !== audience) throw refused('its claim aud names others too');
    if (iat > clock.now() / 1_000 + SKEW_SECONDS) throw refused('it was issued in the future');
    if (!emails.includes(email)) {
      throw new AppError('FORBIDDEN', `${email.slice(0, 200)} may not call this.`, {
        hint: 'Only the accounts that the deployment names may.',
      });
    }
  };
}

const ours = z.object({
  aud: z.string(),
  iat: z.number(),
  email: z.string(),
  email_verified: z.literal(true),
});

function bearerOf(authorization: string | undefined): string {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
  if (token !== undefined && token.length <= LONGEST_TOKEN) return token;
  throw new AppError('UNAUTHENTICATED', 'The request bears no ID token.', {
    hint: 'Send Authorization: Bearer TOKEN.',
  });
}

// Google's tokens name it in both ways (OpenID Connect pages of Google, read 2026-11).
function spellings(issuer: string): string[] {
  return issuer === GOOGLE ? [GOOGLE, 'accounts.google.com'] : [issuer];
}

type KeySet = ReturnType<typeof import('jose/jwks/remote')['createRemoteJWKSet']>;

async function openKeySet({ issuer, jwksUri, fetch }: OidcCallerOptions): Promise<KeySet> {
  const { createRemoteJWKSet, customFetch } = await import('jose/jwks/remote');
  const uri = jwksUri ?? (await discoveredUri(issuer, fetch));
  return createRemoteJWKSet(new URL(uri), {
    timeoutDuration: FETCH_MS,
    // Its failures are told apart from those of the token.
    [customFetch]: (url: string, init: RequestInit) => answerOf(fetch(url, init)),
  });
}

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });

async function discoveredUri(issuer: string, send: typeof fetch): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await answerOf(send(url, { signal: AbortSignal.timeout(FETCH_MS) }));
  const found = discovery.safeParse(await answer.json().catch(() => undefined));
  if (found.success && found.data.issuer === issuer) return found.data.jwks_uri;
  throw unavailable('The issuer of ID tokens', new Error('its discovery document is not its own'));
}

async function answerOf(answer: Promise<Response>): Promise<Response> {
  try {
    const response = await answer;
    if (response.status === 200) return response;
    await response.body?.cancel();
    throw new Error(`it answers ${response.status}`);
  } catch (cause) {
    throw unavailable('The issuer of ID tokens', cause);
  }
}

// Codes of jose that speak of the issuer's keys and not of the token.
const KEY_TROUBLE: ReadonlySet<string> = new Set([
  'ERR_JWKS_INVALID',
  'ERR_JWKS_TIMEOUT',
  'ERR_JOSE_GENERIC',
]);

function refusalOf(error: unknown): AppError {
  if (isAppError(error)) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (KEY_TROUBLE.has(code)) return unavailable('The issuer of ID tokens', error);
  const claim = error instanceof Error && 'claim' in error ? String(error.claim) : undefined;
  return refused(PROBLEMS[code] ?? claimProblem(claim), error);
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'it has expired',
  ERR_JWKS_NO_MATCHING_KEY: 'its key is none of the issuer',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is wrong',
  ERR_JOSE_ALG_NOT_ALLOWED: `it is not signed with ${ALGORITHMS.join(' or ')}`,
};

function claimProblem(claim: string | undefined): string {
  return claim === undefined ? 'it cannot be read' : `its claim ${claim} is not as it must be`;
}

function refused(problem: string, cause?: unknown): AppError {
  return new AppError('UNAUTHENTICATED', `The ID token is refused: ${problem}.`, {
    hint: 'Check the audience and the account that the caller signs with.',
    ...(cause === undefined ? {} : { cause }),
  });
}
