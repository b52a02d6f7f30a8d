import { JobServiceClient } from '@google-cloud/aiplatform/build/src/v1/job_service_client.js';
import { type TestContext, test, vi } from 'vitest';
import { createAccessToken } from '../../../functions/adapters/gcp/access-token.ts';
import { ApiStatus, invalidArgument } from '../../doubles/google-api/api-status.ts';
import { FAULTS } from '../../doubles/google-api/faults.ts';
import { startGoogleApi } from '../../doubles/google-api/google-api.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';
import { createManualClock } from '../../doubles/manual-clock.ts';

const NAME = `projects/${TEST_PROJECT.id}/locations/europe-west4/customJobs/7`;
const ONE_TRY = { retry: null, timeout: 10_000 };

/** A server with one method, and Google's own client of it, signed in as a program is. */
async function opened({ onTestFinished }: TestContext) {
  const clock = createManualClock();
  const api = await startGoogleApi({ clock });
  onTestFinished(api.close);
  let effects = 0;
  api.serve({
    proto: 'google/cloud/aiplatform/v1/job_service.proto',
    name: 'google.cloud.aiplatform.v1.JobService',
    methods: {
      GetCustomJob: {
        routing: 'name',
        quota: () => ({
          metric: 'aiplatform.googleapis.com/other',
          perMinute: 6,
          projectNumber: TEST_PROJECT.number,
          region: 'europe-west4',
        }),
        handle({ name }: { name: string }) {
          effects += 1;
          if (name.endsWith('/bad')) throw invalidArgument('bad name');
          if (name.endsWith('/bug')) throw new Error('not meant');
          return { name, state: 'JOB_STATE_RUNNING', createTime: { seconds: 5, nanos: 6 } };
        },
      },
    },
  });
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', api.environment.GOOGLE_APPLICATION_CREDENTIALS);
  onTestFinished(() => void vi.unstubAllEnvs());
  const client = new JobServiceClient({
    projectId: TEST_PROJECT.id,
    apiEndpoint: '127.0.0.1',
    port: api.port,
  });
  onTestFinished(() => client.close());
  const get = (name = NAME) => client.getCustomJob({ name }, ONE_TRY);
  return { api, clock, client, get, effects: () => effects };
}

test('a real client signs in by a credentials file and is answered over TLS', async (t) => {
  const { api, get } = await opened(t);
  const [job] = await get();
  t.expect(job.state).toBe('JOB_STATE_RUNNING');
  t.expect(job.createTime?.seconds).toBe('5');
  await get();
  t.expect(api.credentials.given()).toBe(1);
  t.expect(api.calls('GetCustomJob')).toMatchObject([{ request: { name: NAME } }, {}]);
});

test('the same file signs in clients that speak HTTP', async (t) => {
  const { api } = await opened(t);
  const token = await createAccessToken()();
  t.expect(api.credentials.accepts(`Bearer ${token}`)).toBe(true);
  t.expect(api.credentials.accepts(`Bearer ${token}x`)).toBe(false);
});

test('a token that does not count any more is refused', async (t) => {
  const { api, get, effects } = await opened(t);
  await get();
  api.credentials.revoke();
  await t.expect(get()).rejects.toMatchObject({ code: 16 });
  t.expect(effects()).toBe(1);
});

test('refusals carry the code and the words; what is no refusal is a bug of the double', async (t) => {
  const { get } = await opened(t);
  await t.expect(get(`${NAME}/bad`)).rejects.toMatchObject({ code: 3, details: 'bad name' });
  await t.expect(get(`${NAME}/bug`)).rejects.toMatchObject({ code: 13 });
});

test('methods that a double does not have are unimplemented', async (t) => {
  const { client } = await opened(t);
  await t
    .expect(client.cancelCustomJob({ name: NAME }, ONE_TRY))
    .rejects.toMatchObject({ code: 12 });
});

test('scripted faults come in order, before or after the effect', async (t) => {
  const { api, get, effects } = await opened(t);
  api.faults.script('GetCustomJob', FAULTS.unavailable, null, FAULTS.lostReply, FAULTS.lateReply);
  await t.expect(get()).rejects.toMatchObject({ code: 14 });
  t.expect(effects()).toBe(0);
  await get();
  t.expect(effects()).toBe(1);
  await t.expect(get()).rejects.toMatchObject({ code: 14 });
  await t.expect(get()).rejects.toMatchObject({ code: 4 });
  t.expect(effects()).toBe(3);
  await get();
});

test('a slow reply comes when its time is over, its effect at once', async (t) => {
  const { api, clock, get, effects } = await opened(t);
  api.faults.script('GetCustomJob', { kind: 'delay', ms: 3_600 });
  const reply = get();
  await t.expect.poll(() => clock.sleeping()).toBe(1);
  t.expect(effects()).toBe(1);
  await clock.advance(3_600);
  await reply;
});

test('rates draw faults for the named methods only', async (t) => {
  const { api, get } = await opened(t);
  api.faults.rates({ internal: 1 }, ['CancelCustomJob']);
  await get();
  api.faults.rates({ internal: 1 });
  await t.expect(get()).rejects.toMatchObject({ code: 13 });
  api.faults.clear();
  await get();
});

test('a quota that is used up says which, and fills again with time', async (t) => {
  const { clock, get } = await opened(t);
  for (let call = 0; call < 6; call++) await get();
  await t.expect(get()).rejects.toMatchObject({
    code: 8,
    details: t.expect.stringContaining("quota metric 'aiplatform.googleapis.com/other'"),
    reason: 'RATE_LIMIT_EXCEEDED',
    domain: 'googleapis.com',
    errorInfoMetadata: { quota_location: 'europe-west4' },
  });
  await clock.advance(10_000);
  await get();
  await t.expect(get()).rejects.toMatchObject({ code: 8 });
});

test('a project that is not there cannot be told from one without permission', async (t) => {
  const { api } = await opened(t);
  t.expect(api.project(TEST_PROJECT.id, 'x')).toBe(api.project(TEST_PROJECT.number, 'x'));
  t.expect(() => api.project('other', '//aiplatform.googleapis.com/projects/other')).toThrow(
    ApiStatus,
  );
});
