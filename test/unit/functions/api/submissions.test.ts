import { test } from 'vitest';
import { jobsPage } from '../../../../shared/api/jobs.ts';
import { planView, submissionView } from '../../../../shared/api/submissions.ts';
import { CODE_LAYER } from '../../../doubles/a-spec.ts';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';

const KEY = { 'Idempotency-Key': 'key-1' };

test('an accepted submission is answered 202, and runs', async ({ expect }) => {
  const bench = createApiBench();
  const answer = await bench.send('/v1/submissions', { json: sweepSpec(), headers: KEY });
  expect(answer.status).toBe(202);
  const accepted = submissionView.parse(await answer.json());
  expect(accepted).toMatchObject({ jobs: 2, expanded: false, done: false, ending: 'none' });
  await bench.work();
  const shown = await bench.send(`/v1/submissions/${accepted.id}`);
  expect(submissionView.parse(await shown.json())).toMatchObject({
    id: accepted.id,
    expanded: true,
    image: { state: 'ready', reference: 'python' },
    counts: { RUNNING: 2, total: 2 },
    done: false,
  });
});

test('counts from before the expansion do not make a submission done', async ({ expect }) => {
  const bench = createApiBench();
  const { id } = await bench.submit(sweepSpec(), 'k');
  const shown = async () =>
    submissionView.parse(await (await bench.send(`/v1/submissions/${id}`)).json());
  expect((await shown()).done).toBe(false);
  await bench.work();
  expect(await shown()).toMatchObject({ expanded: true, counts: { total: 0 }, done: false });
});

test('a replay is answered byte for byte as the first time, however far the jobs are', async ({
  expect,
}) => {
  const bench = createApiBench({ durationMs: () => 10 });
  const first = await bench.send('/v1/submissions', { json: sweepSpec(), headers: KEY });
  const bytes = await first.text();
  await bench.work();
  await bench.clock.advance(60_000);
  await bench.work();
  const again = await bench.send('/v1/submissions', { json: sweepSpec(), headers: KEY });
  expect(again.status).toBe(first.status);
  expect(await again.text()).toBe(bytes);
});

test('the same key with another body is refused; another key is another submission', async ({
  expect,
}) => {
  const bench = createApiBench();
  const { id } = await bench.submit(sweepSpec(), 'key-1');
  const other = bench.send('/v1/submissions', { json: sweepSpec({ name: 'x' }), headers: KEY });
  expect(await errorOf(other)).toMatchObject({ status: 422, code: 'IDEMPOTENCY_MISMATCH' });
  expect((await bench.submit(sweepSpec(), 'key-2')).id).not.toBe(id);
  expect((await bench.submit(sweepSpec({ group: 'own' }), 'key-1', 'token-of-bob')).id).not.toBe(
    id,
  );
});

test('a missing, empty, long or unprintable key is refused', async ({ expect }) => {
  const { send } = createApiBench();
  for (const key of [undefined, '', 'x'.repeat(256), 'a b', 'é']) {
    const headers: Record<string, string> = key === undefined ? {} : { 'Idempotency-Key': key };
    const error = await errorOf(send('/v1/submissions', { json: sweepSpec(), headers }));
    expect(error, String(key)).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
    expect(error.message).toContain('Idempotency-Key');
    if (key === undefined) expect(error.message).toContain('as in Idempotency-Key: ');
  }
});

test('a client that is newer than the service is told so, and nothing else', async ({ expect }) => {
  const { send } = createApiBench();
  const json = { ...sweepSpec(), schemaVersion: 2, invention: true };
  const error = await errorOf(send('/v1/submissions', { json, headers: KEY }));
  expect(error).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  expect(error.message).toContain('this service knows version 1, got 2');
  expect(error.message).not.toContain('invention');
  expect(error.hint).toContain('Update the service');
});

test('what the config, the limits or the platform refuse is told before anything is written', async ({
  expect,
}) => {
  const bench = createApiBench();
  const refused = async (changes: Parameters<typeof sweepSpec>[0]) =>
    errorOf(bench.send('/v1/submissions', { json: sweepSpec(changes), headers: KEY }));
  expect(await refused({ config: '{"a": [1,' })).toMatchObject({
    status: 422,
    code: 'CONFIG_SYNTAX',
  });
  const many = JSON.stringify(
    Object.fromEntries('abcdefgh'.split('').map((k) => [k, Array(10).fill(1)])),
  );
  expect(await refused({ config: many })).toMatchObject({ status: 422, code: 'LIMIT_EXCEEDED' });
  expect(await refused({ platform: 'vertex' })).toMatchObject({ code: 'PLATFORM_UNSUPPORTED' });
  expect(await refused({ codeLayers: ['a'.repeat(64)] })).toMatchObject({ code: 'LAYER_MISSING' });
  expect(await refused({ group: 'bob/none' })).toMatchObject({ code: 'GROUP_NOT_FOUND' });
  expect(await refused({ group: 'a/b/c' })).toMatchObject({ code: 'REQUEST_INVALID' });
  expect(await refused({ module: '\ud800' })).toMatchObject({ code: 'REQUEST_INVALID' });
  expect(await refused({ codeLayers: [] })).toMatchObject({ code: 'REQUEST_INVALID' });
  expect(await refused({ config: '{}', configLayer: CODE_LAYER })).toMatchObject({
    code: 'REQUEST_INVALID',
  });
  const groups = await bench.send('/v1/groups');
  expect(await groups.json()).toEqual({ groups: [], next: null });
});

test('a submission whose dependencies cannot be prepared says why, and is over', async ({
  expect,
}) => {
  const bench = createApiBench();
  bench.builder.onPlan = async () => ({ key: 'deps-1', ready: false, image: null });
  bench.builder.poll = async () => ({
    state: 'failed',
    failedAt: bench.clock.now(),
    message: 'No matching distribution for torhc.',
    hint: 'Did you mean torch?',
    retryable: false,
  });
  const { id } = await bench.submit(sweepSpec(), 'k');
  await bench.work();
  for (let pass = 0; pass < 3; pass++) await bench.later();
  const shown = submissionView.parse(await (await bench.send(`/v1/submissions/${id}`)).json());
  expect(shown.image).toEqual({
    state: 'failed',
    reference: null,
    message: 'No matching distribution for torhc. Did you mean torch?',
  });
  expect(shown).toMatchObject({ counts: { FAILED: 2, total: 2 }, ending: 'done', done: true });
});

test('an empty config of no experiments is done at once', async ({ expect }) => {
  const bench = createApiBench();
  const spec = sweepSpec({ config: '{"a": []}' });
  const accepted = await bench.submit(spec, 'k');
  expect(accepted).toMatchObject({ jobs: 0, done: true, expanded: true });
  const shown = await bench.send(`/v1/submissions/${accepted.id}`);
  expect(await shown.json()).toMatchObject({ jobs: 0, done: true });
});

test('an unknown submission is SUBMISSION_NOT_FOUND', async ({ expect }) => {
  const error = await errorOf(createApiBench().send('/v1/submissions/0123'));
  expect(error).toMatchObject({ status: 404, code: 'SUBMISSION_NOT_FOUND' });
});

test('a plan tells what would happen and writes nothing', async ({ expect }) => {
  const bench = createApiBench();
  const missing = 'a'.repeat(64);
  const config = '{"lr": [1, 2, 3, 4, 5, 6, 7], "note": "it\'s $HOME"}';
  const spec = sweepSpec({ config, codeLayers: [CODE_LAYER, missing] });
  const plan = planView.parse(await (await bench.send('/v1/plans', { json: spec })).json());
  expect(plan).toMatchObject({
    jobs: 7,
    group: { name: 'sweep', exists: false },
    platform: 'process',
    image: { action: 'none' },
    missingLayers: [missing],
  });
  expect(plan.samples.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
  expect(plan.samples[1]?.command).toBe(
    "python -m trainer.train --seed 7 --lr 2 --note 'it'\\''s $HOME'",
  );
  expect(plan.samples[1]?.labels).toMatchObject({
    team: 'vision',
    lr: '2',
    job_name: 'caliban_ada',
  });
  expect(await (await bench.send('/v1/groups')).json()).toEqual({ groups: [], next: null });
});

test('a plan says of the environment what is known', async ({ expect }) => {
  const bench = createApiBench();
  const dependencies = {
    ...sweepSpec().dependencies,
    layer: 'd'.repeat(64),
    requirements: 'requirements.txt',
  };
  const plan = async () => {
    const answer = await bench.send('/v1/plans', { json: sweepSpec({ dependencies }) });
    return planView.parse(await answer.json());
  };
  bench.builder.onPlan = async () => {
    throw new Error('asked before the bytes are here');
  };
  const before = await plan();
  expect(before.missingLayers).toEqual([dependencies.layer]);
  expect(before.image.action).toBe('build');
  expect(before.image.message).toContain('requirements.txt');
  expect(before.image.message).toContain('not uploaded yet');
  bench.layers.addVerified(dependencies.layer);
  bench.builder.onPlan = async () => ({ key: 'key-1', ready: false, image: null });
  expect((await plan()).image).toEqual({
    action: 'build',
    message: 'Prepares requirements.txt (key-1).',
  });
  bench.builder.onPlan = async () => ({ key: 'key-1', ready: true, image: null });
  expect((await plan()).image.action).toBe('cached');
});

test('a plan for an existing group says so', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  const plan = await bench.send('/v1/plans', { json: sweepSpec() });
  expect(await plan.json()).toMatchObject({ group: { name: 'sweep', exists: true } });
});

test('jobs of one submission in one state, page by page, whatever else its group holds', async ({
  expect,
}) => {
  const bench = createApiBench({
    durationMs: () => 5,
    exitCode: (job) => (job.args.includes('0.1') ? 3 : 0),
  });
  await bench.submit(sweepSpec(), 'older');
  const config = '{"lr": [0.1], "seed": [1, 2, 3]}';
  const { id } = await bench.submit(sweepSpec({ config }), 'newer');
  await bench.work();
  await bench.clock.advance(1_000);
  await bench.work();
  await bench.later();
  const page = async (query: string) =>
    jobsPage.parse(await (await bench.send(`/v1/submissions/${id}/jobs?${query}`)).json());
  const first = await page('state=FAILED&limit=2');
  const second = await page(`state=FAILED&limit=2&cursor=${first.next}`);
  const failed = [...first.jobs, ...second.jobs];
  expect(failed.map(({ submissionId }) => submissionId)).toEqual([id, id, id]);
  expect(new Set(failed.map(({ index }) => index))).toEqual(new Set([0, 1, 2]));
  expect(second.next).toBeNull();
  expect((await page('state=SUCCEEDED')).jobs).toEqual([]);
  expect(await errorOf(bench.send(`/v1/submissions/${id}/jobs`))).toMatchObject({ status: 400 });
  expect(await errorOf(bench.send('/v1/submissions/none/jobs?state=FAILED'))).toMatchObject({
    code: 'SUBMISSION_NOT_FOUND',
  });
});
