import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Clock } from '../../../functions/ports/runtime.ts';
import { serveHttp } from '../../fixtures/loopback-server.ts';

/** A sign-in that Google's own libraries understand, without Google. */
export interface Credentials {
  /** An `external_account` file: what GOOGLE_APPLICATION_CREDENTIALS names. */
  readonly file: string;
  /** Whether an `authorization` header carries a token that was given here and still counts. */
  accepts(authorization: string | undefined): boolean;
  /** A token, for clients that take one as it is. */
  token(): string;
  /** No token given so far counts any more. */
  revoke(): void;
  /** Tokens asked for so far by the libraries. */
  given(): number;
  /** Ends the token endpoint and removes the file. */
  close(): Promise<void>;
}

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const LIFETIME_SECONDS = 3600;

/**
 * Starts a token endpoint on loopback (OAuth 2.0 Token Exchange, RFC 8693, as Google's Security Token Service speaks it)
 * and writes the file that leads to it (https://google.aip.dev/auth/4117, read 2026-12).
 */
export async function startCredentials(clock: Clock): Promise<Credentials> {
  const dir = await mkdtemp(join(tmpdir(), 'google-double-'));
  const subject = randomBytes(16).toString('hex');
  const tokens = new Map<string, number>();
  let given = 0;

  function token(): string {
    const value = `ya29.double.${randomBytes(24).toString('base64url')}`;
    tokens.set(value, clock.now() + LIFETIME_SECONDS * 1000);
    return value;
  }

  async function exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    if (form.get('grant_type') !== GRANT || form.get('subject_token') !== subject) {
      return reply(response, 400, { error: 'invalid_grant', error_description: 'unknown subject' });
    }
    given += 1;
    reply(response, 200, {
      access_token: token(),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: LIFETIME_SECONDS,
    });
  }

  const server = await serveHttp((request, response) => void exchange(request, response));
  const file = join(dir, 'credentials.json');
  const subjectFile = join(dir, 'subject-token');
  await writeFile(subjectFile, subject, { mode: 0o600 });
  await writeFile(file, JSON.stringify(credentialsFile(server.port, subjectFile)), { mode: 0o600 });
  return {
    file,
    token,
    given: () => given,
    revoke: () => tokens.clear(),
    accepts: (authorization) => {
      const [, value = ''] = /^Bearer (\S+)$/i.exec(authorization ?? '') ?? [];
      return (tokens.get(value) ?? 0) > clock.now();
    },
    async close() {
      await server.close();
      await rm(dir, { recursive: true });
    },
  };
}

function credentialsFile(port: number, subjectFile: string): object {
  return {
    type: 'external_account',
    // Of a workforce pool: from one of a workload the library reads a project, and asks Google about it.
    audience: '//iam.googleapis.com/locations/global/workforcePools/tests/providers/tests',
    subject_token_type: TOKEN_TYPE,
    token_url: `http://127.0.0.1:${port}/token`,
    credential_source: { file: subjectFile },
    universe_domain: 'googleapis.com',
  };
}

function reply(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
