import { describe, test } from 'vitest';
import { FAULTS } from '../../doubles/google-api/faults.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';
import { createManualClock } from '../../doubles/manual-clock.ts';
import { pretend } from '../../doubles/vertex/executor.ts';
import { shortage } from '../../doubles/vertex/vertex.ts';
import { ONE_TRY } from './google-client.ts';
import { newJob, openedVertex, PARENT } from './vertex-client.ts';

const NAME = /^projects\/123456789012\/locations\/us-central1\/customJobs\/[0-9]+$/;

describe('life of a job', () => {
  test('it goes through its states at their times', async (t) => {
    const clock = createManualClock(Date.UTC(2026, 0, 1));
    const plan = { queuedMs: 1000, pendingMs: 2000, runMs: 4000 };
    const { create, get } = await openedVertex(t, { executor: pretend(() => plan) }, { clock });
    const created = await create(newJob({ labels: { group: 'g' } }));
    t.expect(created).toMatchObject({ state: 'JOB_STATE_QUEUED', displayName: 'a job' });
    t.expect(created.name).toMatch(NAME);
    const name = created.name ?? '';
    await clock.advance(1000);
    t.expect(await get(name)).toMatchObject({ state: 'JOB_STATE_PENDING', startTime: null });
    await clock.advance(2000);
    t.expect(await get(name)).toMatchObject({ state: 'JOB_STATE_RUNNING', endTime: null });
    await clock.advance(60_000);
    const start = Date.UTC(2026, 0, 1) / 1000;
    t.expect(await get(name)).toMatchObject({
      state: 'JOB_STATE_SUCCEEDED',
      createTime: { seconds: String(start) },
      startTime: { seconds: String(start + 3) },
      endTime: { seconds: String(start + 7) },
      updateTime: { seconds: String(start + 7) },
      error: null,
      labels: { group: 'g' },
    });
  });

  test('a failure tells the exit code, or the error planned for it', async (t) => {
    const executor = pretend(({ displayName }) =>
      displayName === 'exit'
        ? { end: { kind: 'exit', code: 3 } }
        : { end: { kind: 'error', error: { code: 8, message: 'stockout' } } },
    );
    const { create, get } = await openedVertex(t, { executor });
    const exit = await create(newJob({ displayName: 'exit' }));
    const message = t.expect.stringContaining(
      'The replica workerpool0-0 exited with a non-zero status of 3.',
    );
    const state = 'JOB_STATE_FAILED';
    t.expect(await get(exit.name ?? '')).toMatchObject({ state, error: { code: 3, message } });
    const error = await create(newJob({ displayName: 'error' }));
    t.expect(await get(error.name ?? '')).toMatchObject({ state, error: { code: 8 } });
  });

  test('two creations are two jobs, even when the reply of the first is lost', async (t) => {
    const { api, create, vertex } = await openedVertex(t);
    api.faults.script('CreateCustomJob', FAULTS.lostReply);
    await t.expect(create()).rejects.toMatchObject({ code: 14 });
    await create();
    t.expect(new Set(vertex.jobs().map(({ name }) => name)).size).toBe(2);
  });

  test('FLEX_START jobs expire when no machine comes, without an end time', async (t) => {
    const clock = createManualClock();
    const executor = pretend(() => ({ pendingMs: 3_600_000 }));
    const { create, get } = await openedVertex(t, { executor }, { clock });
    const scheduling = { strategy: 'FLEX_START', maxWaitDuration: { seconds: 60 } };
    const { name } = await create(newJob({}, { spec: { scheduling } }));
    await clock.advance(60_000);
    t.expect(await get(name ?? '')).toMatchObject({ state: 'JOB_STATE_EXPIRED', endTime: null });
  });

  test('a job that runs longer than its timeout is cancelled', async (t) => {
    const clock = createManualClock();
    const { create, get } = await openedVertex(
      t,
      { executor: pretend(() => ({ runMs: null })) },
      { clock },
    );
    const { name } = await create(
      newJob({}, { spec: { scheduling: { timeout: { seconds: 5 } } } }),
    );
    await get(name ?? '');
    await clock.advance(5000);
    t.expect(await get(name ?? '')).toMatchObject({ state: 'JOB_STATE_CANCELLED' });
  });

  test('jobs beyond the limit wait for a place, in their order', async (t) => {
    const clock = createManualClock();
    const executor = pretend(() => ({ runMs: 1000 }));
    const { create, vertex } = await openedVertex(t, { executor, maxConcurrent: 1 }, { clock });
    for (let count = 0; count < 3; count++) await create();
    const states = () => vertex.jobs().map(({ state }) => state.slice('JOB_STATE_'.length));
    t.expect(states()).toEqual(['RUNNING', 'QUEUED', 'QUEUED']);
    await clock.advance(1500);
    t.expect(states()).toEqual(['SUCCEEDED', 'RUNNING', 'QUEUED']);
    await clock.advance(1500);
    t.expect(states()).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  });

  test('where they are refused instead, the refusal names the machines', async (t) => {
    const executor = pretend(() => ({ runMs: null }));
    const options = { executor, maxConcurrent: 1, whenFull: 'refuse' } as const;
    const { api, create } = await openedVertex(t, options);
    const machine = { acceleratorType: 'NVIDIA_TESLA_T4', acceleratorCount: 1 } as const;
    const job = newJob({}, { machine });
    await create(job);
    const details = t.expect.stringContaining(
      'aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus',
    );
    await t.expect(create(job)).rejects.toMatchObject({ code: 8, details });
    api.faults.script('CreateCustomJob', shortage('custom_model_training_cpus'));
    await t.expect(create()).rejects.toMatchObject({ code: 8 });
  });
});

describe('cancelling', () => {
  test('a running job is CANCELLING, then CANCELLED with code 1', async (t) => {
    const clock = createManualClock();
    const executor = pretend(() => ({ runMs: null, cancelMs: 1000 }));
    const { create, get, cancel } = await openedVertex(t, { executor }, { clock });
    const { name } = await create();
    await cancel(name ?? '');
    await cancel(name ?? '');
    t.expect(await get(name ?? '')).toMatchObject({ state: 'JOB_STATE_CANCELLING' });
    await clock.advance(1000);
    t.expect(await get(name ?? '')).toMatchObject({
      state: 'JOB_STATE_CANCELLED',
      error: { code: 1 },
    });
    await t.expect(cancel(name ?? '')).rejects.toMatchObject({ code: 9 });
  });

  test('a job may still succeed', async (t) => {
    const clock = createManualClock();
    const executor = pretend(() => ({ runMs: 500, cancelMs: 1000 }));
    const { create, get, cancel } = await openedVertex(t, { executor }, { clock });
    const { name } = await create();
    await cancel(name ?? '');
    await clock.advance(1000);
    t.expect(await get(name ?? '')).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
  });

  test('a job that is still queued is cancelled too, and its place goes to nobody twice', async (t) => {
    const executor = pretend(() => ({ runMs: null }));
    const { create, cancel, vertex } = await openedVertex(t, { executor, maxConcurrent: 1 });
    const [first, second] = [await create(), await create()];
    await create();
    await cancel(second.name ?? '');
    await cancel(first.name ?? '');
    t.expect(vertex.jobs().map(({ state }) => state)).toEqual([
      'JOB_STATE_CANCELLED',
      'JOB_STATE_CANCELLED',
      'JOB_STATE_RUNNING',
    ]);
  });
});

describe('deleting', () => {
  test('an ended job goes, by a long-running operation', async (t) => {
    const { create, client, get } = await openedVertex(t);
    const { name } = await create();
    const [operation] = await client.deleteCustomJob({ name: name ?? '' }, ONE_TRY);
    await operation.promise();
    await t.expect(get(name ?? '')).rejects.toMatchObject({ code: 5 });
    const checked = await client.checkDeleteCustomJobProgress(operation.name ?? '');
    t.expect(checked.done).toBe(true);
  });

  test('a running one does not', async (t) => {
    const executor = pretend(() => ({ runMs: null }));
    const { create, client } = await openedVertex(t, { executor });
    const { name } = await create();
    const deletion = client.deleteCustomJob({ name: name ?? '' }, ONE_TRY);
    await t.expect(deletion).rejects.toMatchObject({ code: 9 });
  });
});

describe('names and quotas', () => {
  test('unknown projects, regions and jobs are told apart', async (t) => {
    const { create, get } = await openedVertex(t, { regions: ['us-central1'] });
    const elsewhere = `projects/${TEST_PROJECT.id}/locations/europe-west4`;
    await t.expect(create(newJob(), elsewhere)).rejects.toMatchObject({ code: 3 });
    const other = 'projects/other/locations/us-central1';
    await t.expect(create(newJob(), other)).rejects.toMatchObject({ code: 7 });
    await t.expect(get(`${PARENT}/customJobs/12`)).rejects.toMatchObject({ code: 5 });
    await t.expect(get(`${PARENT}/customJobs/x`)).rejects.toMatchObject({ code: 3 });
  });

  test('creations have a quota per region, other calls one of their own', async (t) => {
    const clock = createManualClock();
    const { api, create, list } = await openedVertex(t, {}, { clock });
    for (let count = 0; count < 60; count++) await create();
    const details = t.expect.stringContaining('job_or_lro_submission_requests');
    await t.expect(create()).rejects.toMatchObject({ code: 8, details });
    await create(newJob(), PARENT.replace('us-central1', 'us-east1'));
    api.quotas.limit('aiplatform.googleapis.com/resource_management_requests', 1);
    t.expect(await list()).toHaveLength(60);
    await t.expect(list()).rejects.toMatchObject({ code: 8 });
    await clock.advance(60_000);
    await create();
  });
});
