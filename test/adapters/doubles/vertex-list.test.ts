import { type TestContext, test } from 'vitest';
import { createManualClock } from '../../doubles/manual-clock.ts';
import { pretend } from '../../doubles/vertex/executor.ts';
import type { VertexOptions } from '../../doubles/vertex/vertex.ts';
import { ONE_TRY } from './google-client.ts';
import { newJob, openedVertex, PARENT } from './vertex-client.ts';

const START = Date.UTC(2026, 0, 1);

/** Four jobs, a second apart: my_job_1 (succeeds), my_job_2 (fails), other (runs), and one named as an operator. */
async function fourJobs(t: TestContext, options: VertexOptions = {}) {
  const clock = createManualClock(START);
  const executor = pretend(({ displayName }) => {
    if (displayName === 'my_job_2') return { end: { kind: 'exit', code: 1 } };
    return displayName === 'other' ? { runMs: null } : {};
  });
  const opened = await openedVertex(t, { executor, ...options }, { clock });
  const labels = { group: 'a', 'svc-id': 'x1' };
  await opened.create(newJob({ displayName: 'my_job_1', labels }));
  await clock.advance(1000);
  await opened.create(newJob({ displayName: 'my_job_2', labels: { group: 'b' } }));
  await clock.advance(1000);
  await opened.create(newJob({ displayName: 'other', labels: { group: 'a' } }));
  await clock.advance(1000);
  await opened.create(newJob({ displayName: 'AND (x) "y"' }));
  const names = async (filter?: string) => {
    const jobs = await opened.list(filter === undefined ? {} : { filter });
    return jobs.map(({ displayName }) => displayName);
  };
  return { ...opened, clock, names };
}

const FILTERS: Readonly<Record<string, readonly string[]>> = {
  '': ['AND (x) "y"', 'other', 'my_job_2', 'my_job_1'],
  'state="JOB_STATE_SUCCEEDED" AND display_name:"my_job_*"': ['my_job_1'],
  'state!=JOB_STATE_FAILED AND labels.group:*': ['other', 'my_job_1'],
  'NOT display_name="my_job_1" AND labels.group=a': ['other'],
  'display_name = "AND (x) \\"y\\""': ['AND (x) "y"'],
  'display_name="other" OR display_name="my_job_2" AND labels.group=a': ['other'],
  '(display_name="other") OR (display_name="my_job_2" AND labels.group=b)': ['other', 'my_job_2'],
  'create_time>="2026-01-01T00:00:01Z" AND create_time<"2026-01-01T01:00:02+01:00"': ['my_job_2'],
  'labels.svc-id=x1': ['my_job_1'],
  'labels.svc-id="x1" OR labels:"nothing"': ['my_job_1'],
  '-labels:group': ['AND (x) "y"'],
  'display_name!="other" AND NOT (labels.group=a OR labels.group=b)': ['AND (x) "y"'],
  'display_name:my_job': [],
};

test.for(Object.keys(FILTERS))('filter %s', async (filter, t) => {
  const { names } = await fourJobs(t);
  t.expect(await names(filter)).toEqual(FILTERS[filter]);
});

test.for([
  'display_name',
  'display_name=',
  'display_name>"a"',
  'state="RUNNING"',
  'state:JOB_STATE_RUNNING',
  'create_time>yesterday',
  'name="x"',
  'labels.a!=b',
  'labels.a:b',
  'labels.group=a labels.group=b',
  '(labels.group=a',
  'labels.group=a)',
  'labels.group=a AND',
  'AND labels.group=a',
  'NOT',
  'display_name.x=1',
])('filter %s is refused', async (filter, t) => {
  const { names } = await fourJobs(t);
  await t.expect(names(filter)).rejects.toMatchObject({ code: 3 });
});

test('pages are cut to the maximum of the server, and stay whole while jobs come and go', async (t) => {
  const { client, create, names } = await fourJobs(t, { maxPageSize: 2 });
  t.expect(await names()).toHaveLength(4);
  const page = async (pageToken: string, more = {}) => {
    const options = { ...ONE_TRY, autoPaginate: false };
    const request = { parent: PARENT, pageSize: 50, pageToken, ...more };
    const [jobs, , reply] = await client.listCustomJobs(request, options);
    return { names: jobs.map(({ displayName }) => displayName), next: reply.nextPageToken ?? '' };
  };
  const first = await page('');
  t.expect(first.names).toEqual(['AND (x) "y"', 'other']);
  await create(newJob({ displayName: 'late' }));
  const second = await page(first.next);
  t.expect(second).toEqual({ names: ['my_job_2', 'my_job_1'], next: '' });
  const changed = page(first.next, { filter: 'labels.group=a' });
  await t.expect(changed).rejects.toMatchObject({ code: 3 });
  await t.expect(page('nonsense')).rejects.toMatchObject({ code: 3 });
  await t.expect(page('', { pageSize: -1 })).rejects.toMatchObject({ code: 3 });
});

test('a read mask leaves out what it does not name', async (t) => {
  const { list } = await fourJobs(t);
  const filter = 'display_name=my_job_1';
  const [job] = await list({ filter, readMask: { paths: ['name', 'state', 'labels'] } });
  t.expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', labels: { group: 'a' } });
  t.expect(job).toMatchObject({ displayName: '', jobSpec: null, createTime: null });
  const [inner] = await list({ filter, readMask: { paths: ['job_spec.service_account'] } });
  t.expect(inner?.jobSpec?.workerPoolSpecs).toEqual([]);
  const unknown = list({ readMask: { paths: ['displayName'] } });
  await t.expect(unknown).rejects.toMatchObject({ code: 3 });
});

test('lists lag behind creations, changes and deletions', async (t) => {
  const clock = createManualClock(START);
  const options = { listLagMs: 5000, executor: pretend(() => ({ runMs: 2000 })) };
  const { create, get, list, client } = await openedVertex(t, options, { clock });
  const { name } = await create();
  await clock.advance(4000);
  t.expect(await list()).toEqual([]);
  t.expect(await get(name ?? '')).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
  await clock.advance(1000);
  t.expect(await list()).toMatchObject([{ state: 'JOB_STATE_RUNNING' }]);
  await clock.advance(2000);
  t.expect(await list()).toMatchObject([{ state: 'JOB_STATE_SUCCEEDED' }]);
  await client.deleteCustomJob({ name: name ?? '' }, ONE_TRY);
  t.expect(await list()).toHaveLength(1);
  await clock.advance(5000);
  t.expect(await list()).toEqual([]);
});
