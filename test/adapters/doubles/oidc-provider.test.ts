import { decodeJwt, decodeProtectedHeader } from 'jose';
import { createRemoteJWKSet } from 'jose/jwks/remote';
import { jwtVerify } from 'jose/jwt/verify';
import { type TestContext, test } from 'vitest';
import { startOidcProvider } from '../../doubles/oidc-provider/oidc-provider.ts';

const CLAIMS = { aud: 'https://worker.example', email: 'push@project.example' };

test('the provider describes itself, and its ID tokens stand up to its own keys', async (t) => {
  const oidc = await opened(t);
  const description = await (await fetch(`${oidc.issuer}/.well-known/openid-configuration`)).json();
  t.expect(description).toMatchObject({
    issuer: oidc.issuer,
    jwks_uri: `${oidc.issuer}/jwks`,
    id_token_signing_alg_values_supported: ['RS256'],
  });
  const { payload } = await jwtVerify(await oidc.idToken(CLAIMS), keysOf(oidc.issuer), {
    issuer: oidc.issuer,
    audience: CLAIMS.aud,
  });
  t.expect(payload).toMatchObject({ email: CLAIMS.email, email_verified: true });
  t.expect(payload.sub).toMatch(/^\d{21}$/);
});

test('claims are replaced and left out, and the time is the one given', async (t) => {
  const oidc = await opened(t);
  const at = Date.UTC(2026, 0, 1);
  const changes = { email_verified: false, email: undefined };
  const claims = decodeJwt(await oidc.idToken({ ...CLAIMS, changes }, 'own', at));
  t.expect(claims).toMatchObject({
    email_verified: false,
    iat: at / 1_000,
    exp: at / 1_000 + 3_600,
  });
  t.expect(claims).not.toHaveProperty('email');
});

test('a foreign token has the id of a key of the provider, and not its signature', async (t) => {
  const oidc = await opened(t);
  const foreign = await oidc.idToken(CLAIMS, 'foreign');
  t.expect(decodeProtectedHeader(foreign)).toEqual(
    decodeProtectedHeader(await oidc.idToken(CLAIMS)),
  );
  await t.expect(jwtVerify(foreign, keysOf(oidc.issuer))).rejects.toMatchObject({
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  });
});

test('after a rotation old and new tokens are good; no private key is shown', async (t) => {
  const oidc = await opened(t);
  const old = await oidc.idToken(CLAIMS);
  await oidc.rotate();
  const fresh = await oidc.idToken(CLAIMS);
  t.expect(decodeProtectedHeader(fresh)['kid']).not.toBe(decodeProtectedHeader(old)['kid']);
  for (const token of [old, fresh]) await jwtVerify(token, keysOf(oidc.issuer));
  const answer = await fetch(`${oidc.issuer}/jwks`);
  const { keys } = (await answer.json()) as { readonly keys: readonly object[] };
  t.expect(keys).toHaveLength(2);
  for (const key of keys) t.expect(key).not.toHaveProperty('d');
});

test('fails as told, and tells what it was asked', async (t) => {
  const oidc = await opened(t);
  oidc.fail((_, response) => response.writeHead(500).end());
  t.expect((await fetch(`${oidc.issuer}/jwks`)).status).toBe(500);
  oidc.fail(null);
  t.expect((await fetch(`${oidc.issuer}/jwks`)).status).toBe(200);
  t.expect(oidc.asked).toEqual(['/jwks', '/jwks']);
});

async function opened({ onTestFinished }: TestContext) {
  const oidc = await startOidcProvider();
  onTestFinished(() => oidc.close());
  return oidc;
}

function keysOf(issuer: string) {
  return createRemoteJWKSet(new URL(`${issuer}/jwks`));
}
