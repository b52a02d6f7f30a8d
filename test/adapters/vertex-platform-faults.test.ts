import { readFile, writeFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { describe, type TestContext, test, vi } from 'vitest';
import { type PlatformJob, PlatformRefusal } from '../../functions/ports/platform.ts';
import { aJob, terminal } from '../contract/platform.ts';
import { FAULTS } from '../doubles/google-api/faults.ts';
import { shortage } from '../doubles/vertex/vertex.ts';
import { systemClock } from '../fixtures/system-clock.ts';
import {
  type VertexHarness,
  type VertexHarnessOptions,
  vertexHarness,
} from '../fixtures/vertex-platform.ts';

const ENDLESS = { endless: true };

describe('a create of Vertex AI', () => {
  test('whose reply is lost has an unknown outcome, is asked once and found', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    harness.api.faults.script('CreateCustomJob', FAULTS.lostReply);
    const error = await failed(harness, aJob(harness, { jobId: 'lost', program: ENDLESS }));
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(harness.api.calls('CreateCustomJob')).toHaveLength(1);
    const [found, ...others] = await harness.platform.find('lost');
    expect(others).toEqual([]);
    expect(found).toMatchObject({ attempt: 1, state: 'SUBMITTED' });
    await harness.platform.cancel(found?.ref ?? '');
    await terminal(harness, 'lost');
  });

  test('that is slow is given up at its deadline, outcome unknown', async (context) => {
    const { expect } = context;
    const harness = await opened(context, {
      clock: systemClock,
      platform: { createDeadlineMs: 300 },
    });
    // The first call of a client is slow by itself: it signs in.
    await harness.platform.find('slow');
    harness.api.faults.script('CreateCustomJob', { kind: 'delay', ms: 5_000 });
    const error = await failed(harness, aJob(harness, { jobId: 'slow' }));
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await harness.platform.find('slow')).toHaveLength(1);
  });

  test('that must be over soon is given up then, outcome unknown', async (context) => {
    const { expect } = context;
    const harness = await opened(context, { clock: systemClock });
    await harness.platform.find('late');
    harness.api.faults.script('CreateCustomJob', { kind: 'delay', ms: 5_000 });
    const createBy = harness.clock.now() + 300;
    const error = await failed(harness, { ...aJob(harness, { jobId: 'late' }), createBy });
    // The double would have answered 4.7 s after it.
    expect(harness.clock.now() - createBy).toBeLessThan(2_000);
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(error).not.toBeInstanceOf(PlatformRefusal);
  });

  test.for([FAULTS.unavailable, FAULTS.internal])(
    'that meets %j is not repeated',
    async (fault, context) => {
      const { expect } = context;
      const harness = await opened(context);
      harness.api.faults.script('CreateCustomJob', fault);
      const error = await failed(harness, aJob(harness, { jobId: 'no' }));
      expect(error).toMatchObject({ code: 'UNAVAILABLE' });
      expect(error).not.toBeInstanceOf(PlatformRefusal);
      expect(harness.api.calls('CreateCustomJob')).toHaveLength(1);
    },
  );

  test('beyond the rate waits shortly, without machines for minutes; both name the quota', async (context) => {
    const { expect } = context;
    const harness = await opened(context, { createsPerMinute: 1 });
    await harness.platform.submit(aJob(harness, { jobId: 'first' }));
    const rate = await failed(harness, aJob(harness, { jobId: 'second' }));
    expect(rate).toMatchObject({ kind: 'quota', retryAfterMs: 15_000 });
    expect(rate.message).toContain('job_or_lro_submission_requests');
    harness.api.faults.script('CreateCustomJob', shortage('custom_model_training_nvidia_t4_gpus'));
    const machines = await failed(harness, aJob(harness, { jobId: 'third' }));
    expect(machines).toMatchObject({ kind: 'quota', retryAfterMs: 300_000 });
    expect(machines.message).toContain('custom_model_training_nvidia_t4_gpus');
    expect(harness.vertex.jobs()).toHaveLength(1);
  });

  test('that asks for what cannot be is final, in Google’s words', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    const hardware = { gpu: null, tpu: null, machineType: 'n1-huge-1', region: null };
    const machine = await failed(harness, { ...aJob(harness, { jobId: 'a' }), hardware });
    expect(machine).toMatchObject({ kind: 'permanent', hint: expect.stringContaining('machine') });
    expect(machine.message).toContain('n1-huge-1');
  });

  test('that the service may not make waits, and is made when it may', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    harness.api.faults.script('CreateCustomJob', {
      kind: 'refuse',
      code: status.PERMISSION_DENIED,
      message: 'You do not have permission to act as service_account: jobs@p.',
    });
    const denied = await failed(harness, aJob(harness, { jobId: 'a' }));
    expect(denied).toMatchObject({
      kind: 'quota',
      retryAfterMs: 300_000,
      message: expect.stringContaining('act as service_account: jobs@p.'),
      hint: expect.stringContaining('serviceAccountUser'),
    });
    await harness.platform.submit(aJob(harness, { jobId: 'a' }));
    expect(harness.vertex.jobs()).toHaveLength(1);
  });

  test('in a lane that is not the service’s is refused without asking', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    for (const lane of [
      'lane-a',
      'vertex:other-project:us-central1',
      'vertex:test-project:us-east1',
    ]) {
      const refusal = await failed(harness, { ...aJob(harness, { jobId: 'a' }), lane });
      expect(refusal).toMatchObject({
        kind: 'permanent',
        hint: expect.stringContaining('us-central1'),
      });
    }
    expect(harness.api.calls()).toEqual([]);
  });

  test('without a way to sign in waits; nothing was made', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/credentials.json');
    const error = await failed(harness, aJob(harness, { jobId: 'a' }));
    expect(error).toMatchObject({ kind: 'quota', message: expect.stringContaining('sign in') });
  });

  test('works without a sign-in for logs; they are read when there is one again', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    const { ref } = await harness.platform.submit(aJob(harness, { jobId: 'a' }));
    await terminal(harness, 'a');
    const { GOOGLE_APPLICATION_CREDENTIALS } = harness.api.environment;
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/credentials.json');
    const read = () => harness.platform.readLog(ref, '', 100);
    await expect(read()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', GOOGLE_APPLICATION_CREDENTIALS);
    expect(await read()).toMatchObject({ ended: true });
  });

  test('whose sign-in does not answer waits; nothing was sent', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    const { file } = harness.api.credentials;
    const signIn = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...signIn, token_url: 'http://127.0.0.1:1/token' }));
    const error = await failed(harness, aJob(harness, { jobId: 'a' }));
    expect(error).toMatchObject({ kind: 'quota', message: expect.stringContaining('sign in') });
    expect(harness.api.calls()).toEqual([]);
  });
});

describe('jobs of Vertex AI', () => {
  test('carry what was asked for', async (context) => {
    const { expect } = context;
    const platform = { outputDirectory: 'gs://bucket/out', scheduling: 'spot' } as const;
    const harness = await opened(context, { platform });
    const labels = { team: 'vision' };
    await harness.platform.submit({ ...aJob(harness, { jobId: 'a-1', attempt: 2 }), labels });
    expect(harness.vertex.jobs()).toMatchObject([
      {
        displayName: 'name-a-1',
        labels: {
          team: 'vision',
          caliban: 'caliban-test',
          caliban_job: 'a-1',
          caliban_attempt: '2',
        },
        jobSpec: {
          scheduling: { strategy: 'SPOT', disableRetries: true, timeout: { seconds: '86400' } },
          baseOutputDirectory: { outputUriPrefix: 'gs://bucket/out/a-1/2' },
          workerPoolSpecs: [{ replicaCount: '1', machineSpec: { machineType: 'n1-highcpu-32' } }],
        },
      },
    ]);
  });

  test('of another service, and of nobody, are not seen', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    const other = harness.another({ instanceLabel: 'other' });
    await other.submit(aJob(harness, { jobId: 'theirs', program: ENDLESS }));
    expect(await harness.platform.find('theirs')).toEqual([]);
    expect(await allOf(harness, 0)).toEqual([]);
    expect(await other.find('theirs')).toHaveLength(1);
  });

  test('are found in every lane of the service; when one does not answer nobody knows', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    const job = aJob(harness, { jobId: 'far', program: ENDLESS });
    await harness.platform.submit({ ...job, lane: harness.lanes?.[1] ?? '' });
    expect(await harness.platform.find('far')).toHaveLength(1);
    harness.api.faults.script('ListCustomJobs', null, FAULTS.unavailable);
    await expect(harness.platform.find('far')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('show when the lag is over, also those that ended meanwhile', async (context) => {
    const { expect } = context;
    const listLagMs = 10_000;
    const harness = await opened(context, { vertex: { listLagMs }, platform: { listLagMs } });
    await harness.platform.submit(aJob(harness, { jobId: 'shy' }));
    expect(await harness.platform.find('shy')).toEqual([]);
    let last = harness.clock.now();
    const seen: string[] = [];
    for (let pass = 0; pass < 6; pass++) {
      await harness.clock.sleep(4_000);
      const since = last - listLagMs;
      last = harness.clock.now();
      seen.push(...(await allOf(harness, since)).map(({ state }) => state));
    }
    expect(seen).toContain('SUCCEEDED');
  });

  test('that ended are asked for no further back than what lived at an earlier look', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    await harness.platform.submit(aJob(harness, { jobId: 'old' }));
    await terminal(harness, 'old');
    await harness.clock.sleep(600_000);
    await allOf(harness, 0);
    await harness.platform.submit(aJob(harness, { jobId: 'new' }));
    const since = harness.clock.now();
    const end = await terminal(harness, 'new');
    expect(await allOf(harness, since)).toEqual([end]);
    const [asked] = harness.api.calls('ListCustomJobs').slice(-1);
    const [, from = ''] =
      /create_time>="([^"]+)"/.exec(JSON.stringify(asked).replaceAll('\\', '')) ?? [];
    expect(since - Date.parse(from)).toBeLessThan(200_000);
    // One that remembers nothing finds the same.
    expect(await allOf({ ...harness, platform: harness.another({}) }, since)).toEqual([end]);
  });

  test.for([
    ['PERMISSION_DENIED', 'aiplatform.user'],
    ['UNAUTHENTICATED', 'service account'],
    ['INVALID_ARGUMENT', 'regions'],
    ['NOT_FOUND', 'project'],
  ] as const)(
    'of a service that is refused (%s) are unknown; it says what to look at',
    async ([code, hint], context) => {
      const { expect } = context;
      const harness = await opened(context);
      const fault = { kind: 'refuse', code: status[code], message: 'No, thanks' } as const;
      const refused = {
        code: 'UNAVAILABLE',
        message: 'Vertex AI refuses this service: No, thanks.',
        hint: expect.stringContaining(hint),
      };
      harness.api.faults.script('ListCustomJobs', fault);
      await expect(harness.platform.find('a')).rejects.toMatchObject(refused);
      if (code === 'NOT_FOUND') return;
      const { ref } = await harness.platform.submit(
        aJob(harness, { jobId: 'a', program: ENDLESS }),
      );
      harness.api.faults.script('CancelCustomJob', fault);
      await expect(harness.platform.cancel(ref)).rejects.toMatchObject(refused);
      harness.api.faults.script('GetCustomJob', fault);
      const later = harness.another({});
      await expect(later.readLog(ref, '', 100)).rejects.toMatchObject(refused);
    },
  );

  test('that are gone can be cancelled and read', async (context) => {
    const { expect } = context;
    const harness = await opened(context);
    const ref = 'projects/123456789012/locations/us-central1/customJobs/999';
    await harness.platform.cancel(ref);
    expect(await harness.platform.readLog(ref, '', 100)).toEqual({
      text: '',
      next: '',
      ended: true,
    });
  });

  test('whose image cannot be fetched, or that run out of memory, say so', async (context) => {
    const { expect } = context;
    const error = {
      code: 3,
      message:
        'The replica workerpool0-0 ran out-of-memory and exited with a non-zero status of 137(SIGKILL).',
    };
    const plan = () => ({ end: { kind: 'error', error } as const });
    const harness = await opened(context, { vertex: { executor: { kind: 'planned', plan } } });
    await harness.platform.submit(aJob(harness, { jobId: 'big' }));
    const end = await terminal(harness, 'big');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: 137, cause: { code: 'out-of-memory' } });
  });

  test('log what they printed, without the words of Vertex AI; late lines are waited for', async (context) => {
    const { expect } = context;
    const logs = { settleMs: 5_000, quietMs: 30_000, shareMs: 2_000 };
    const harness = await opened(context, { logs, ingestionDelayMs: 3_000 });
    const program = { prints: 'one\ntwo\n' };
    const { ref } = await harness.platform.submit(aJob(harness, { jobId: 'says', program }));
    await terminal(harness, 'says');
    expect(await harness.platform.readLog(ref, '', 100)).toEqual({
      text: '',
      next: '',
      ended: false,
    });
    await harness.clock.sleep(10_000);
    const piece = await harness.platform.readLog(ref, '', 100);
    expect(piece).toMatchObject({ text: 'one\ntwo\n', ended: false });
    await harness.clock.sleep(30_000);
    expect(await harness.platform.readLog(ref, piece.next, 100)).toMatchObject({
      text: '',
      ended: true,
    });
  });
});

async function opened(
  { onTestFinished }: TestContext,
  options: VertexHarnessOptions = {},
): Promise<VertexHarness> {
  const harness = await vertexHarness(options);
  onTestFinished(() => harness.close());
  return harness;
}

async function failed(harness: VertexHarness, job: PlatformJob): Promise<Error> {
  try {
    await harness.platform.submit(job);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('submit did not fail.');
}

async function allOf(
  { platform, lanes }: Pick<VertexHarness, 'platform' | 'lanes'>,
  since: number,
) {
  const all = [];
  let cursor: string | null = null;
  do {
    const page = await platform.list(lanes?.[0] ?? '', since, cursor);
    all.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return all;
}
