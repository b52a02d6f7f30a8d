import { test } from 'vitest';
import { groupsPage, groupView, stopView } from '../../../../shared/api/groups.ts';
import { experimentsPage, jobsPage } from '../../../../shared/api/jobs.ts';
import { type ApiBench, createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';

const TEN = '{"lr": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}';

async function aSweep(bench: ApiBench, changes: Parameters<typeof sweepSpec>[0] = {}) {
  const submission = await bench.submit(sweepSpec({ config: TEN, ...changes }), 'k');
  await bench.work();
  return submission;
}

test('groups come newest first, page by page, each once', async ({ expect }) => {
  const bench = createApiBench();
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await bench.submit(sweepSpec({ group: name }), name);
    await bench.clock.advance(10);
  }
  await bench.submit(sweepSpec({ group: 'of-bob' }), 'k', 'token-of-bob');
  const names: string[] = [];
  let cursor = '';
  do {
    const answer = await bench.send(`/v1/groups?limit=2${cursor}`);
    const page = groupsPage.parse(await answer.json());
    names.push(...page.groups.map(({ name }) => name));
    cursor = page.next === null ? '' : `&cursor=${page.next}`;
  } while (cursor !== '');
  expect(names).toEqual(['e', 'd', 'c', 'b', 'a']);
});

test('a colleague’s groups, and everyone’s, are asked for by owner', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec({ group: 'mine' }), 'k');
  await bench.clock.advance(10);
  await bench.submit(sweepSpec({ group: 'his' }), 'k', 'token-of-bob');
  const named = async (query: string) => {
    const answer = await bench.send(`/v1/groups${query}`);
    return groupsPage
      .parse(await answer.json())
      .groups.map(({ owner, name }) => `${owner}/${name}`);
  };
  expect(await named('')).toEqual(['ada/mine']);
  expect(await named('?owner=bob')).toEqual(['bob/his']);
  expect(await named('?owner=*')).toEqual(['bob/his', 'ada/mine']);
  expect(await named('?owner=nobody')).toEqual([]);
});

test('a group is found by name, by OWNER/NAME and by id', async ({ expect }) => {
  const bench = createApiBench();
  const { group } = await aSweep(bench);
  for (const reference of ['sweep', 'ada%2Fsweep', group.id]) {
    const answer = await bench.send(`/v1/groups/${reference}`);
    const view = groupView.parse(await answer.json());
    expect(view, reference).toMatchObject({ id: group.id, counts: { RUNNING: 10, total: 10 } });
  }
  const token = 'token-of-bob';
  expect((await bench.send('/v1/groups/sweep', { token })).status).toBe(404);
  expect((await bench.send(`/v1/groups/${group.id}`, { token })).status).toBe(200);
});

test('names with strange characters are found', async ({ expect }) => {
  const bench = createApiBench();
  for (const name of ['lr=0.1 %', 'größe', '100%25', 'a?b#c', '😀', 'a+b', '%2F']) {
    const { group } = await bench.submit(
      sweepSpec({ group: name }),
      name.length + name.charCodeAt(0).toString(),
    );
    const answer = await bench.send(`/v1/groups/${encodeURIComponent(name)}`);
    expect(groupView.parse(await answer.json()), name).toMatchObject({ id: group.id, name });
  }
});

test('a misspelt group is answered with the one that may be meant', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec({ group: 'lr-sweep' }), 'k');
  expect(await errorOf(bench.send('/v1/groups/lr-swepe'))).toMatchObject({
    status: 404,
    code: 'GROUP_NOT_FOUND',
    message: 'xgroup lr-swepe not found.',
    hint: 'Did you mean lr-sweep?',
  });
  const token = 'token-of-bob';
  expect((await errorOf(bench.send('/v1/groups/ada%2Flr-swep', { token }))).hint).toBe(
    'Did you mean ada/lr-sweep?',
  );
  expect((await errorOf(bench.send('/v1/groups/lr-sweep', { token }))).hint).toBe(
    'See your groups with: caliban status',
  );
});

test('experiments come oldest first with their newest jobs, oldest of them first', async ({
  expect,
}) => {
  const bench = createApiBench();
  for (const key of ['k1', 'k2', 'k3']) {
    await bench.submit(sweepSpec({ config: '{"lr": [1, 2, 3]}' }), key);
    await bench.work();
    await bench.clock.advance(10);
  }
  const page = async (query: string) =>
    experimentsPage.parse(await (await bench.send(`/v1/groups/sweep/experiments${query}`)).json());
  const first = await page('?maxJobs=2&limit=2');
  expect(first.experiments.map(({ flags }) => flags)).toEqual([[['lr', '1']], [['lr', '2']]]);
  const rest = await page(`?maxJobs=2&limit=2&cursor=${first.next}`);
  expect(rest.experiments.map(({ flags }) => flags)).toEqual([[['lr', '3']]]);
  expect(rest.next).toBeNull();
  const jobs = first.experiments[0]?.jobs ?? [];
  expect(jobs).toHaveLength(2);
  const all = (await page('?maxJobs=100')).experiments[0]?.jobs ?? [];
  expect(all).toHaveLength(3);
  expect(all.slice(1)).toEqual(jobs);
  const times = all.map(({ createdAt }) => createdAt);
  expect(times).toEqual(times.toSorted());
  expect((await page('?maxJobs=0')).experiments[0]?.jobs).toEqual([]);
  expect((await page('')).experiments[0]?.jobs).toHaveLength(1);
});

test('jobs of a group are narrowed by state, platform and one facet', async ({ expect }) => {
  const bench = createApiBench({ durationMs: (job) => (job.args.includes('3') ? 5 : 1e9) });
  await aSweep(bench);
  await bench.clock.advance(1_000);
  await bench.work();
  await bench.later();
  const count = async (query: string) => {
    const answer = await bench.send(`/v1/groups/sweep/jobs${query}`);
    return jobsPage.parse(await answer.json()).jobs.length;
  };
  expect(await count('')).toBe(10);
  expect(await count('?state=SUCCEEDED')).toBe(1);
  expect(await count('?state=RUNNING&platform=process')).toBe(9);
  expect(await count('?platform=docker')).toBe(0);
  expect(await count('?facet=flag:lr=3')).toBe(1);
  expect(await count('?facet=label:team=vision&state=RUNNING')).toBe(9);
  expect(await count('?facet=label:team=none')).toBe(0);
});

test('job pages hold every job once', async ({ expect }) => {
  const bench = createApiBench();
  await aSweep(bench);
  const seen: number[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const answer = await bench.send(
      `/v1/groups/sweep/jobs?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    const page = jobsPage.parse(await answer.json());
    seen.push(...page.jobs.map(({ index }) => index));
    cursor = page.next;
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('a cursor of another list is CURSOR_INVALID', async ({ expect }) => {
  const bench = createApiBench();
  await aSweep(bench);
  const answer = await bench.send('/v1/groups/sweep/jobs?limit=3');
  const { next } = jobsPage.parse(await answer.json());
  for (const path of [
    `/v1/groups?cursor=${next}`,
    '/v1/groups/sweep/jobs?cursor=abc',
    '/v1/jobs?cursor=e30',
  ]) {
    expect(await errorOf(bench.send(path)), path).toMatchObject({
      status: 422,
      code: 'CURSOR_INVALID',
    });
  }
});

test('a dry stop tells what it would reach and stops nothing', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec({ config: TEN }), 'not-expanded-yet');
  const stop = async (dryRun: boolean) => {
    const answer = await bench.send('/v1/groups/sweep/stop', { json: { dryRun } });
    return stopView.parse(await answer.json());
  };
  const nothing = { waiting: 0, active: 0, notCreated: 0 };
  expect(await stop(true)).toEqual({ dryRun: true, ...nothing, notCreated: 10, submissions: 1 });
  await bench.work();
  expect(await stop(true)).toEqual({ dryRun: true, ...nothing, active: 10, submissions: 1 });
  expect((await bench.send('/v1/groups/sweep')).status).toBe(200);
  await bench.later();
  const counts = groupView.parse(await (await bench.send('/v1/groups/sweep')).json()).counts;
  expect(counts).toMatchObject({ RUNNING: 10, STOPPED: 0 });
});

test('a stop ends what runs, what waits and what was not created, and nothing is left to stop', async ({
  expect,
}) => {
  const bench = createApiBench();
  await aSweep(bench);
  await bench.submit(sweepSpec({ config: TEN }), 'not-expanded-yet');
  const stop = async () => {
    const answer = await bench.send('/v1/groups/sweep/stop', { json: {} });
    return stopView.parse(await answer.json());
  };
  expect(await stop()).toEqual({
    dryRun: false,
    waiting: 0,
    active: 10,
    notCreated: 10,
    submissions: 2,
  });
  await bench.work();
  for (let pass = 0; pass < 3; pass++) await bench.later();
  const view = groupView.parse(await (await bench.send('/v1/groups/sweep')).json());
  expect(view.counts).toMatchObject({ STOPPED: 10, RUNNING: 0, SUBMITTED: 0, total: 10 });
  expect(await stop()).toEqual({
    dryRun: false,
    waiting: 0,
    active: 0,
    notCreated: 0,
    submissions: 0,
  });
});

test('only the owner and admins stop a group', async ({ expect }) => {
  const bench = createApiBench();
  const { group } = await aSweep(bench);
  const stop = (token: string) =>
    bench.send(`/v1/groups/${group.id}/stop`, { json: { dryRun: false }, token });
  expect(await errorOf(stop('token-of-bob'))).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(stopView.parse(await (await stop('token-of-root')).json()).active).toBe(10);
});
