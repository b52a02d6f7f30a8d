import { describe, test } from 'vitest';
import { createOidcCaller } from '../../functions/adapters/gcp/oidc-caller.ts';
import { createManualClock } from '../doubles/manual-clock.ts';
import { type OidcDouble, startOidcProvider } from '../doubles/oidc-provider/oidc-provider.ts';

const AUDIENCE = 'https://worker.example';
const EMAIL = 'push@project.iam.gserviceaccount.com';
const CLAIMS = { aud: AUDIENCE, email: EMAIL };

describe('caller by ID token', () => {
  test('lets in the account it knows, by the keys that discovery names', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    await check(`Bearer ${await oidc.idToken(CLAIMS)}`);
    await check(`bearer ${await oidc.idToken(CLAIMS)}`);
    t.expect(oidc.asked).toEqual(['/.well-known/openid-configuration', '/jwks']);
  });

  test('takes the address of the keys when it is given', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished, { given: true });
    await check(`Bearer ${await oidc.idToken(CLAIMS)}`);
    t.expect(oidc.asked).toEqual(['/jwks']);
  });

  test('refuses a request without a token', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    for (const header of [undefined, '', 'Bearer', 'Basic eDp5', `Bearer ${'x'.repeat(20_000)}`]) {
      await t.expect(check(header)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
        message: 'The request bears no ID token.',
      });
    }
    t.expect(oidc.asked).toEqual([]);
  });

  test('refuses a token that is not for it, and says why without showing it', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    const now = Math.floor(oidc.now / 1_000);
    const cases = [
      [{ aud: 'https://other.example' }, 'its claim aud is not as it must be'],
      [{ aud: [AUDIENCE, 'https://other.example'] }, 'its claim aud is not as it must be'],
      [{ iss: 'https://accounts.google.com' }, 'its claim iss is not as it must be'],
      [{ exp: now - 61 }, 'it has expired'],
      [{ exp: undefined }, 'its claim exp is not as it must be'],
      [{ iat: now + 61 }, 'it was issued in the future'],
      [{ iat: undefined }, 'its claim iat is not as it must be'],
      [{ nbf: now + 61 }, 'its claim nbf is not as it must be'],
      [{ email: undefined }, 'its claim email is not as it must be'],
      [{ email_verified: false }, 'its claim email_verified is not as it must be'],
      [{ email_verified: 'true' }, 'its claim email_verified is not as it must be'],
    ] as const;
    for (const [changes, problem] of cases) {
      const token = await oidc.idToken({ ...CLAIMS, changes }, 'own', oidc.now);
      const error = await rejectionOf(check(`Bearer ${token}`));
      t.expect(error).toMatchObject({
        code: 'UNAUTHENTICATED',
        message: `The ID token is refused: ${problem}.`,
      });
      t.expect(JSON.stringify(error)).not.toContain(token.slice(0, 40));
    }
  });

  test('takes clocks that differ by up to a minute', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    const now = Math.floor(oidc.now / 1_000);
    for (const changes of [{ exp: now - 59 }, { iat: now + 60 }]) {
      await check(`Bearer ${await oidc.idToken({ ...CLAIMS, changes }, 'own', oidc.now)}`);
    }
  });

  test('refuses a signature of others, no signature, and one by a shared secret', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    const foreign = await oidc.idToken(CLAIMS, 'foreign');
    await t.expect(check(`Bearer ${foreign}`)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'The ID token is refused: its signature is wrong.',
    });
    const [, payload] = (await oidc.idToken(CLAIMS)).split('.');
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'key-1' })).toString('base64url');
      await t.expect(check(`Bearer ${header}.${payload}.c2ln`)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
        message: 'The ID token is refused: it is not signed with RS256 or ES256.',
      });
    }
    await t.expect(check('Bearer no.token.atall')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'The ID token is refused: it cannot be read.',
    });
  });

  test('refuses another account of the same issuer', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    const token = await oidc.idToken({ ...CLAIMS, email: 'eve@project.example' });
    await t.expect(check(`Bearer ${token}`)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: 'eve@project.example may not call this.',
    });
  });

  test('knows Google by both of its names', async (t) => {
    const { oidc, open } = await opened(t.onTestFinished);
    const check = open({ issuer: 'https://accounts.google.com', jwksUri: `${oidc.issuer}/jwks` });
    for (const iss of ['https://accounts.google.com', 'accounts.google.com']) {
      await check(`Bearer ${await oidc.idToken({ ...CLAIMS, changes: { iss } })}`);
    }
    const own = await oidc.idToken(CLAIMS);
    await t.expect(check(`Bearer ${own}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('keys of the issuer', () => {
  test('that cannot be had make the check unavailable; then they are asked for again', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    const token = `Bearer ${await oidc.idToken(CLAIMS)}`;
    oidc.fail((_, response) => response.writeHead(500).end());
    await t.expect(check(token)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'The issuer of ID tokens does not answer: it answers 500',
    });
    oidc.fail((_, response) =>
      response.end('{"issuer":"http://evil.example","jwks_uri":"http://e.x/"}'),
    );
    await t.expect(check(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    oidc.fail((request, response) => {
      if (request.url === '/jwks') response.writeHead(404).end();
      else response.end(JSON.stringify({ issuer: oidc.issuer, jwks_uri: `${oidc.issuer}/jwks` }));
    });
    await t.expect(check(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    oidc.fail((request, response) => {
      if (request.url === '/jwks') response.end('{"keys":"none"}');
      else response.end(JSON.stringify({ issuer: oidc.issuer, jwks_uri: `${oidc.issuer}/jwks` }));
    });
    await t.expect(check(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    oidc.fail(null);
    await check(token);
  });

  test('are kept: an issuer that is away keeps nobody out', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    await check(`Bearer ${await oidc.idToken(CLAIMS)}`);
    oidc.fail((request) => request.destroy());
    await check(`Bearer ${await oidc.idToken(CLAIMS)}`);
  });

  test('of an id that nobody knows refuse the token', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    await check(`Bearer ${await oidc.idToken(CLAIMS)}`);
    await oidc.rotate();
    // Asked for again at most every 30 seconds.
    await t.expect(check(`Bearer ${await oidc.idToken(CLAIMS)}`)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'The ID token is refused: its key is none of the issuer.',
    });
  });

  test('that were added before they were read are known', async (t) => {
    const { oidc, check } = await opened(t.onTestFinished);
    const old = await oidc.idToken(CLAIMS);
    await oidc.rotate();
    await check(`Bearer ${old}`);
    await check(`Bearer ${await oidc.idToken(CLAIMS)}`);
  });
});

type Options = Parameters<typeof createOidcCaller>[0];

async function opened(
  onTestFinished: (clean: () => Promise<void>) => void,
  { given = false } = {},
): Promise<{
  oidc: OidcDouble & { readonly now: number };
  check: ReturnType<typeof createOidcCaller>;
  open(changes: Partial<Options>): ReturnType<typeof createOidcCaller>;
}> {
  const oidc = await startOidcProvider();
  onTestFinished(() => oidc.close());
  const now = Date.now();
  const open = (changes: Partial<Options>) =>
    createOidcCaller({
      issuer: oidc.issuer,
      jwksUri: given ? `${oidc.issuer}/jwks` : null,
      audience: AUDIENCE,
      emails: ['other@project.example', EMAIL],
      fetch,
      clock: createManualClock(now),
      ...changes,
    });
  return { oidc: { ...oidc, now }, check: open({}), open };
}

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
