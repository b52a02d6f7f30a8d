import { test } from 'vitest';
import { buildView } from '../../../../shared/api/builds.ts';
import { jobDetail, jobView, recentJobsPage } from '../../../../shared/api/jobs.ts';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { principalView, serviceView } from '../../../../shared/api/service.ts';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';

test('the service says what it is, what it takes and who asks', async ({ expect }) => {
  const { send } = createApiBench();
  const view = serviceView.parse(await (await send('/v1/service')).json());
  expect(view).toMatchObject({
    version: '1.2.3',
    instance: 'instance-1',
    defaultPlatform: 'process',
    platforms: ['process'],
    lanes: [{ id: 'process:here', ratePerMinute: null, maxActive: 1_000 }],
    limits: LIMITS,
    principal: { id: 'ada', role: 'submitter' },
  });
  const me = await send('/v1/me', { token: 'token-of-eve' });
  expect(principalView.parse(await me.json())).toEqual({ id: 'eve', role: 'viewer' });
});

test('recent jobs come newest first, with the experiments they belong to', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec({ group: 'old', config: '{"a": 1}' }), 'k1');
  await bench.clock.advance(10);
  const { id } = await bench.submit(sweepSpec({ group: 'new', config: '{"a": [1, 2]}' }), 'k2');
  await bench.submit(sweepSpec({ group: 'his' }), 'k', 'token-of-bob');
  await bench.work();
  const page = async (query: string) =>
    recentJobsPage.parse(await (await bench.send(`/v1/jobs${query}`)).json());
  const mine = await page('');
  expect(mine.jobs.map(({ group, index }) => [group.name, index])).toEqual([
    ['new', 1],
    ['new', 0],
    ['old', 0],
  ]);
  const experimentIds = new Set(mine.jobs.map(({ experimentId }) => experimentId));
  expect(new Set(mine.experiments.map((experiment) => experiment.id))).toEqual(experimentIds);
  for (const experiment of mine.experiments) expect(experiment.group.owner).toBe('ada');
  const first = await page('?limit=1');
  expect(first.jobs.map((job) => job.id)).toEqual([`${id}-1`]);
  expect(first.experiments).toHaveLength(1);
  const second = await page(`?limit=1&cursor=${first.next}`);
  expect(second.jobs.map((job) => job.id)).toEqual([`${id}-0`]);
  expect((await page('?owner=*')).jobs).toHaveLength(5);
  expect((await page('?state=FAILED')).jobs).toEqual([]);
});

test('a job is shown with its command line, labels and history', async ({ expect }) => {
  const bench = createApiBench({ durationMs: () => 50, exitCode: () => 3 });
  const { id } = await bench.submit(sweepSpec({ config: '{"lr": 0.1, "debug": true}' }), 'k');
  await bench.work();
  await bench.later();
  const detail = jobDetail.parse(await (await bench.send(`/v1/jobs/${id}-0`)).json());
  expect(detail).toMatchObject({
    state: 'FAILED',
    exitCode: 3,
    command: ['python', '-m', 'trainer.train', '--seed', '7', '--debug', '--lr', '0.1'],
    labels: { team: 'vision', lr: '0_1' },
    container: 'python',
    logCommand: `caliban logs ${id}-0`,
    consoleLink: null,
    cause: { code: 'exit-code' },
    group: { owner: 'ada', name: 'sweep' },
  });
  const states = detail.history.map(({ to }) => to);
  expect(states[0]).toBe('QUEUED');
  expect(states.at(-1)).toBe('FAILED');
});

test('an unknown job is JOB_NOT_FOUND, an id that cannot be one REQUEST_INVALID', async ({
  expect,
}) => {
  const { send } = createApiBench();
  expect(await errorOf(send('/v1/jobs/0123-0'))).toMatchObject({
    status: 404,
    code: 'JOB_NOT_FOUND',
  });
  expect(await errorOf(send('/v1/jobs/0123-0/logs'))).toMatchObject({ status: 404 });
  expect(await errorOf(send('/v1/jobs/0123-0/logs?follow=true'))).toMatchObject({ status: 404 });
  expect(await errorOf(send('/v1/jobs/%00'))).toMatchObject({
    status: 400,
    code: 'REQUEST_INVALID',
  });
});

test('one job is stopped; stopping it again changes nothing', async ({ expect }) => {
  const bench = createApiBench();
  const { id } = await bench.submit(sweepSpec(), 'k');
  await bench.work();
  const stop = (token?: string) =>
    bench.send(`/v1/jobs/${id}-0/stop`, {
      method: 'POST',
      ...(token === undefined ? {} : { token }),
    });
  expect(await errorOf(stop('token-of-bob'))).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(jobView.parse(await (await stop()).json())).toMatchObject({ stopRequested: true });
  await bench.later();
  const ended = jobView.parse(await (await stop()).json());
  expect(ended.state).toBe('STOPPED');
  const other = await bench.send(`/v1/jobs/${id}-1`);
  expect(jobView.parse(await other.json()).state).toBe('RUNNING');
});

test('who submitted to a colleague’s group may stop that job', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  const { id } = await bench.submit(sweepSpec({ group: 'ada/sweep' }), 'k', 'token-of-bob');
  await bench.work();
  const answer = await bench.send(`/v1/jobs/${id}-0/stop`, {
    method: 'POST',
    token: 'token-of-bob',
  });
  expect(answer.status).toBe(200);
});

test('a build is shown with its log, from a place on', async ({ expect }) => {
  const bench = createApiBench();
  bench.builder.onPlan = async () => ({ key: 'deps-1', ready: false, image: null });
  bench.builder.log = 'collecting torch\ninstalled\n';
  await bench.submit(sweepSpec(), 'k');
  await bench.work();
  const build = buildView.parse(await (await bench.send('/v1/builds/deps-1')).json());
  expect(build).toMatchObject({ id: 'deps-1', state: 'building', attempt: 1, error: null });
  const whole = await bench.send('/v1/builds/deps-1/logs');
  expect(await whole.text()).toBe(bench.builder.log);
  const next = whole.headers.get('X-Caliban-Log-Cursor');
  expect(await (await bench.send(`/v1/builds/deps-1/logs?since=${next}`)).text()).toBe('');
  bench.builder.log += 'done\n';
  expect(await (await bench.send(`/v1/builds/deps-1/logs?since=${next}`)).text()).toBe('done\n');
  expect(await errorOf(bench.send('/v1/builds/deps-1/logs?since=-1'))).toMatchObject({
    status: 400,
  });
  expect(await errorOf(bench.send('/v1/builds/none/logs'))).toMatchObject({
    code: 'BUILD_NOT_FOUND',
  });
});
