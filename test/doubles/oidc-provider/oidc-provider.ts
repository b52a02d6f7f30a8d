import type { RequestListener } from 'node:http';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import { serveHttp } from '../../fixtures/loopback-server.ts';

/** What an ID token says; the rest is as Google's service accounts have it. */
export interface IdTokenClaims {
  readonly aud: string;
  readonly email: string;
  /** Claims that differ; undefined leaves one out. */
  readonly changes?: Readonly<Record<string, unknown>>;
}

/** With which key a token is signed: the newest of the provider, or one that it does not publish under the same id. */
export type SigningKey = 'own' | 'foreign';

/** A running provider. */
export interface OidcDouble {
  readonly issuer: string;
  /** An ID token, good for an hour from `now` (UTC ms; default: the clock of the machine). */
  idToken(claims: IdTokenClaims, key?: SigningKey, now?: number): Promise<string>;
  /** Makes a new signing key; tokens of the earlier ones stay good. */
  rotate(): Promise<void>;
  /** From now on, requests are answered by this; null: by the provider again. */
  fail(listener: RequestListener | null): void;
  /** Paths asked for since the start. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const HOUR_S = 3_600;

interface Key {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** Starts an OpenID provider on a free port of this machine. */
export async function startOidcProvider(): Promise<OidcDouble> {
  const keys = [await newKey('key-1')];
  const foreign = await newKey('key-1');
  const asked: string[] = [];
  let failing: RequestListener | null = null;
  let answer: RequestListener = () => undefined;
  const server = await serveHttp((request, response) => {
    asked.push(request.url ?? '');
    (failing ?? answer)(request, response);
  });
  const issuer = `http://127.0.0.1:${server.port}`;
  // A provider reads its keys once.
  const open = () => {
    answer = new Provider(issuer, configurationOf(keys)).callback();
  };
  open();
  return {
    issuer,
    asked,
    idToken(claims, which = 'own', now = Date.now()) {
      const newest = keys.at(-1) ?? foreign;
      const key = which === 'own' ? newest : { ...foreign, kid: newest.kid };
      return signed(issuer, claims, { key, at: Math.floor(now / 1_000) });
    },
    async rotate() {
      keys.push(await newKey(`key-${keys.length + 1}`));
      open();
    },
    fail(listener) {
      failing = listener;
    },
    close: () => server.close(),
  };
}

function signed(
  issuer: string,
  { aud, email, changes }: IdTokenClaims,
  { key, at }: { readonly key: Key; readonly at: number },
): Promise<string> {
  const claims = {
    iss: issuer,
    aud,
    azp: '100000000000000000001',
    sub: '100000000000000000001',
    email,
    email_verified: true,
    iat: at,
    exp: at + HOUR_S,
    ...changes,
  };
  // JSON leaves out what is undefined.
  return new SignJWT(JSON.parse(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
    .sign(key.privateKey);
}

async function newKey(kid: string): Promise<Key> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
  return { kid, privateKey, jwk };
}

function configurationOf(keys: readonly Key[]): object {
  return {
    jwks: { keys: keys.map(({ jwk }) => jwk) },
    clients: [],
    // Without clients there is nothing to keep; the package's own adapter warns that it forgets.
    adapter: () => ({ find: async () => undefined }),
    cookies: { keys: ['of the tests'] },
    features: { devInteractions: { enabled: false } },
  };
}
