import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, test, vi } from 'vitest';
import { createFirestoreStore } from '../../functions/adapters/gcp/firestore-store.ts';
import { type Key, put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import {
  type FirestoreEmulator,
  freshProject,
  startFirestoreEmulator,
} from '../fixtures/firestore-emulator.ts';
import { hasPart } from '../fixtures/require.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const RULES = fileURLToPath(new URL('../../firestore.rules', import.meta.url));
const JOB: Key<'jobs'> = { collection: 'jobs', id: 'j1' };

describe.runIf(hasPart('emulators'))('firestore.rules', () => {
  const directory = temporaryDirectory();
  const projectId = freshProject();
  let emulator: FirestoreEmulator;

  beforeAll(async () => {
    emulator = await startFirestoreEmulator(directory.path, RULES);
    vi.stubEnv('FIRESTORE_EMULATOR_HOST', emulator.host);
  }, 60_000);

  afterAll(async () => {
    vi.unstubAllEnvs();
    await emulator.close();
    directory.remove();
  });

  test('let the service in, and nobody else', async ({ expect, onTestFinished }) => {
    const store = createFirestoreStore({ projectId, databaseId: '(default)' });
    onTestFinished(() => store.close());
    await store.commit([put(JOB, aDocument('jobs'))]);
    expect(await store.get([JOB])).toMatchObject([{ key: JOB }]);

    for (const token of [null, userToken()]) {
      for (const [method, path] of CALLS) {
        const answer = await call({ method, path, token });
        expect(answer.status, `${method} ${path} as ${token}`).toBe(403);
      }
    }
    // The document is there for who may see it, so it is the rules that refuse.
    expect((await call({ method: 'GET', path: 'jobs/kj1', token: 'owner' })).status).toBe(200);
    expect(await store.count('recentJobs', {})).toBe(1);
  });

  function call(request: { method: string; path: string; token: string | null }) {
    const { method, path, token } = request;
    const at = `http://${emulator.host}/v1/projects/${projectId}/databases/(default)/documents`;
    return fetch(`${at}/${path}`, {
      method,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      ...(method === 'GET' || method === 'DELETE' ? {} : { body: '{"fields":{}}' }),
    });
  }

  // Without a signature, as the emulator takes it for a user who signed in.
  function userToken(): string {
    const claims = {
      iss: `https://securetoken.google.com/${projectId}`,
      aud: projectId,
      sub: 'ada',
      user_id: 'ada',
    };
    const now = Math.floor(Date.now() / 1000);
    const parts = [
      { alg: 'none', typ: 'JWT' },
      { ...claims, iat: now, exp: now + 3600 },
    ];
    return `${parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;
  }
});

const CALLS = [
  ['GET', 'jobs/kj1'],
  ['GET', 'jobs'],
  ['PATCH', 'jobs/kj1'],
  ['POST', 'jobs'],
  ['DELETE', 'jobs/kj1'],
  ['PATCH', 'anything/else'],
] as const;
