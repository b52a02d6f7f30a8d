import { type TestContext, test } from 'vitest';
import type { Build } from '../../doubles/cloud-build/build-record.ts';
import { CREATE_QUOTA } from '../../doubles/cloud-build/cloud-build.ts';
import { type Pretended, pretendExecutor } from '../../doubles/cloud-build/executor.ts';
import { FAULTS } from '../../doubles/google-api/faults.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';
import { allThatFollows, createManualClock } from '../../doubles/manual-clock.ts';
import { aBuild, ONE_TRY, openCloudBuild, PLACE } from './cloud-build-client.ts';

const named = (id: string) => ({
  projectId: TEST_PROJECT.id,
  id,
  name: `${PLACE.parent}/builds/${id}`,
});

/** With a clock that stands still, and steps that take as long as they are told to. */
async function openPretending(t: TestContext, outcome: (build: Build, index: number) => Pretended) {
  const clock = createManualClock();
  const opened = await openCloudBuild(
    t,
    { executor: pretendExecutor(clock, outcome), concurrentBuilds: 1 },
    clock,
  );
  return { ...opened, clock };
}

test('a build is created, runs, and its operation gives it', async (t) => {
  const { client, builds } = await openCloudBuild(t);
  const [operation] = await client.createBuild(
    { ...PLACE, build: aBuild({ tags: ['a'], images: ['eu.example/i:$BUILD_ID'] }) },
    ONE_TRY,
  );
  t.expect(operation.name).toMatch(
    /^projects\/test-project\/locations\/europe-west4\/operations\//,
  );
  const [build] = await operation.promise();
  const id = builds.all()[0]?.build.id ?? '';
  t.expect(build).toMatchObject({
    id,
    name: `projects/${TEST_PROJECT.number}/locations/europe-west4/builds/${id}`,
    tags: ['a'],
  });
  const [got] = await client.getBuild(named(id), ONE_TRY);
  t.expect(got).toMatchObject({
    status: 'SUCCESS',
    timeout: { seconds: '3600' },
    results: {
      images: [
        { name: `eu.example/i:${id}`, digest: t.expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
      ],
    },
    logUrl: t.expect.stringContaining(`region=europe-west4/${id}?project=${TEST_PROJECT.number}`),
    logsBucket: `gs://${TEST_PROJECT.number}.cloudbuild-logs.googleusercontent.com`,
  });
  t.expect(Object.keys(got.timing ?? {})).toEqual(['BUILD', 'PUSH']);
});

test('the name without a location is of global builds only', async (t) => {
  const { client, create } = await openCloudBuild(t);
  const regional = await create(aBuild());
  const project = { projectId: TEST_PROJECT.id };
  const global = await create(aBuild(), project);
  const [got] = await client.getBuild({ ...project, id: global }, ONE_TRY);
  t.expect(got.name).toContain('/locations/global/');
  await t
    .expect(client.getBuild({ ...project, id: regional }, ONE_TRY))
    .rejects.toMatchObject({ code: 5 });
  const [listed] = await client.listBuilds(project, ONE_TRY);
  t.expect(listed.map(({ id }) => id)).toEqual([global]);
});

test('two creates are two builds, also when the reply of one was lost', async (t) => {
  const { api, create, client } = await openCloudBuild(t);
  api.faults.script('CreateBuild', FAULTS.lostReply);
  await t.expect(create(aBuild({ tags: ['once'] }))).rejects.toMatchObject({ code: 14 });
  await create(aBuild({ tags: ['once'] }));
  const [found] = await client.listBuilds({ ...PLACE, filter: 'tags="once"' }, ONE_TRY);
  t.expect(found).toHaveLength(2);
});

test('a list may know nothing of new builds', async (t) => {
  const { clock, client, create, listLag } = await openPretending(t, () => ({}));
  listLag(5000);
  const id = await create(aBuild());
  const list = async () => (await client.listBuilds(PLACE, ONE_TRY))[0].map((build) => build.id);
  t.expect(await list()).toEqual([]);
  t.expect((await client.getBuild(named(id), ONE_TRY))[0].id).toBe(id);
  await clock.advance(5000);
  t.expect(await list()).toEqual([id]);
});

test('lists are newest first, in pages, and a token is good for its list only', async (t) => {
  const { client, create } = await openCloudBuild(t);
  const ids: string[] = [];
  for (const tag of ['a', 'b', 'c', 'd', 'e']) ids.unshift(await create(aBuild({ tags: [tag] })));
  const [all] = await client.listBuilds({ ...PLACE, pageSize: 2 }, ONE_TRY);
  t.expect(all.map(({ id }) => id)).toEqual(ids);
  const page = { ...ONE_TRY, autoPaginate: false };
  const [first, next] = await client.listBuilds({ ...PLACE, pageSize: 2 }, page);
  t.expect(first).toHaveLength(2);
  const other = { ...next, filter: 'tags="a"' };
  await t.expect(client.listBuilds(other, page)).rejects.toMatchObject({ code: 3 });
});

test.for([
  ['tags="a"', ['both', 'a']],
  ['tags:"a" AND tags="b"', ['both']],
  ['tags="a" tags="b"', ['both']],
  ['tags="b" OR tags="c"', ['c', 'both']],
  ['tags="a" AND NOT tags="b"', ['a']],
  ['-tags="a"', ['c']],
  ['NOT (tags="c" OR tags="b")', ['a']],
  ['status="SUCCESS" AND tags="c" OR tags="b"', ['c', 'both']],
  ['status=WORKING', []],
  ['status!="SUCCESS"', []],
  ['create_time>"2026-01-01T00:00:10Z"', ['c']],
  ['create_time>="2026-01-01T00:00:10Z" AND create_time<"2026-01-01T00:00:20Z"', ['both']],
] as const)('the filter %s', async ([filter, expected], t) => {
  const { clock, client, create } = await openPretending(t, () => ({}));
  const names = new Map<string, string>();
  for (const [name, tags] of [
    ['a', ['a']],
    ['both', ['a', 'b']],
    ['c', ['c']],
  ] as const) {
    names.set(await create(aBuild({ tags: [...tags] })), name);
    await clock.advance(10_000);
  }
  const [found] = await client.listBuilds({ ...PLACE, filter }, ONE_TRY);
  t.expect(found.map(({ id }) => names.get(id ?? ''))).toEqual(expected);
});

test.for([
  'tags',
  'tags="a',
  'nosuch="a"',
  'status>"A"',
  '(tags="a"',
  'create_time>"then"',
  'tags="a")',
])('the filter %s is refused', async (filter, t) => {
  const { client } = await openCloudBuild(t);
  await t
    .expect(client.listBuilds({ ...PLACE, filter }, ONE_TRY))
    .rejects.toMatchObject({ code: 3 });
});

test('a build by its id in a filter', async (t) => {
  const { client, create } = await openCloudBuild(t);
  const id = await create(aBuild());
  await create(aBuild());
  const [found] = await client.listBuilds({ ...PLACE, filter: `build_id="${id}"` }, ONE_TRY);
  t.expect(found.map((build) => build.id)).toEqual([id]);
});

test('a working build is cancelled at once; one that has ended cannot be', async (t) => {
  const { client, create, builds } = await openPretending(t, () => ({ ms: 60_000 }));
  const id = await create(aBuild());
  await allThatFollows();
  t.expect((await client.getBuild(named(id), ONE_TRY))[0].status).toBe('WORKING');
  t.expect((await client.cancelBuild(named(id), ONE_TRY))[0].status).toBe('CANCELLED');
  t.expect(await builds.finished(id)).toMatchObject({
    status: 'CANCELLED',
    steps: [{ status: 'CANCELLED' }],
  });
  await t.expect(client.cancelBuild(named(id), ONE_TRY)).rejects.toMatchObject({ code: 9 });
});

test('builds beyond the limit wait in the queue, and expire there', async (t) => {
  const { clock, create, builds } = await openPretending(t, () => ({ ms: 60_000 }));
  const first = await create(aBuild());
  const second = await create(aBuild());
  const third = await create(aBuild({ queueTtl: { seconds: 30 } }));
  await allThatFollows();
  const statuses = () => [first, second, third].map((id) => builds.find(id)?.build.status);
  t.expect(statuses()).toEqual(['WORKING', 'QUEUED', 'QUEUED']);
  await clock.advance(30_000);
  t.expect(statuses()).toEqual(['WORKING', 'QUEUED', 'EXPIRED']);
  await clock.advance(30_000);
  t.expect(statuses()).toEqual(['SUCCESS', 'WORKING', 'EXPIRED']);
  builds.limit(2);
  await create(aBuild());
  await clock.advance(60_000);
  t.expect(statuses()).toEqual(['SUCCESS', 'SUCCESS', 'EXPIRED']);
});

test('a build that takes longer than its timeout ends as TIMEOUT, its operation by an error', async (t) => {
  const { clock, client, builds } = await openPretending(t, () => ({ ms: 60_000 }));
  const build = aBuild({ timeout: { seconds: 10 } });
  const [operation] = await client.createBuild({ ...PLACE, build }, ONE_TRY);
  await allThatFollows();
  await clock.advance(10_000);
  const [{ build: ended } = t.expect.fail()] = builds.all();
  t.expect(ended).toMatchObject({ status: 'TIMEOUT', steps: [{ status: 'TIMEOUT' }] });
  t.expect(Number(ended.finishTime?.seconds) - Number(ended.startTime?.seconds)).toBe(10);
  await t.expect(operation.promise()).rejects.toMatchObject({ code: 4 });
});

test('a failing step fails the build, says so, and ends the others', async (t) => {
  const outcome = (_: Build, index: number) =>
    index === 1 ? { exitCode: 3, log: 'a\nb' } : { output: 'o' };
  const { create, builds } = await openPretending(t, outcome);
  const step = { name: 'docker:cli' };
  const id = await create({ steps: [step, { ...step, id: 'two' }, step] });
  t.expect(await builds.finished(id)).toMatchObject({
    status: 'FAILURE',
    statusDetail: 'build step 1 "docker:cli" failed: step exited with non-zero status: 3',
    failureInfo: {
      type: 'USER_BUILD_STEP',
      detail:
        'Build step failure: build step 1 "docker:cli" failed: step exited with non-zero status: 3',
    },
    steps: [{ status: 'SUCCESS' }, { status: 'FAILURE', exitCode: 3 }, { status: 'QUEUED' }],
    results: { buildStepOutputs: [Buffer.from('o'), Buffer.alloc(0), Buffer.alloc(0)] },
  });
  t.expect(builds.find(id)?.log.text()).toBe(
    [
      `starting build "${id}"`,
      '',
      'BUILD',
      'Starting Step #0',
      'Step #0: Pulling image: docker:cli',
      'Finished Step #0',
      'Starting Step #1 - "two"',
      'Step #1 - "two": Pulling image: docker:cli',
      'Step #1 - "two": a',
      'Step #1 - "two": b',
      'Finished Step #1 - "two"',
      'ERROR',
      'ERROR: build step 1 "docker:cli" failed: step exited with non-zero status: 3',
      '',
    ].join('\n'),
  );
});

test('a step may be allowed to fail, and only 50 KB of its output are kept', async (t) => {
  const { create, builds } = await openPretending(t, () => ({
    exitCode: 2,
    output: 'x'.repeat(60_000),
  }));
  const id = await create({ steps: [{ name: 'docker', allowExitCodes: [2] }] });
  const { status, results } = await builds.finished(id);
  t.expect(status).toBe('SUCCESS');
  t.expect(results?.buildStepOutputs[0]).toHaveLength(51_200);
});

test('the service may break a build', async (t) => {
  const { create, builds } = await openPretending(t, () => ({}));
  builds.breakNext('INTERNAL_ERROR', null, 'LOGGING_FAILURE');
  const ends: (string | undefined)[] = [];
  for (let build = 0; build < 3; build++) {
    const { status, failureInfo } = await builds.finished(await create(aBuild()));
    ends.push(status, failureInfo?.type);
  }
  t.expect(ends).toEqual([
    'INTERNAL_ERROR',
    undefined,
    'SUCCESS',
    undefined,
    'FAILURE',
    'LOGGING_FAILURE',
  ]);
});

test('the source must be there, in the generation asked for', async (t) => {
  const { create, builds } = await openCloudBuild(t, {
    getObject: async (_, object) =>
      object === 'there.tgz' ? { bytes: Buffer.from(''), generation: '7' } : undefined,
  });
  const end = async (object: string, generation: number) => {
    const source = { storageSource: { bucket: 'sources', object, generation } };
    const { status, failureInfo, sourceProvenance } = await builds.finished(
      await create(aBuild({ source })),
    );
    return { status, type: failureInfo?.type, sourceProvenance };
  };
  t.expect(await end('there.tgz', 7)).toMatchObject({
    status: 'SUCCESS',
    sourceProvenance: {
      resolvedStorageSource: { bucket: 'sources', object: 'there.tgz', generation: '7' },
    },
  });
  t.expect(await end('there.tgz', 8)).toMatchObject({
    status: 'FAILURE',
    type: 'FETCH_SOURCE_FAILED',
  });
  t.expect(await end('gone.tgz', 0)).toMatchObject({
    status: 'FAILURE',
    type: 'FETCH_SOURCE_FAILED',
  });
});

test('creates beyond the quota are refused', async (t) => {
  const { api, create } = await openPretending(t, () => ({}));
  api.quotas.limit(CREATE_QUOTA, 2);
  await create(aBuild());
  await create(aBuild());
  await t.expect(create(aBuild())).rejects.toMatchObject({ code: 8 });
});

test('a project that is not there, and a build that is not', async (t) => {
  const { client } = await openCloudBuild(t);
  const elsewhere = { projectId: 'other', parent: 'projects/other/locations/europe-west4' };
  await t
    .expect(client.createBuild({ ...elsewhere, build: aBuild() }, ONE_TRY))
    .rejects.toMatchObject({ code: 7 });
  await t.expect(client.getBuild(named('none'), ONE_TRY)).rejects.toMatchObject({ code: 5 });
});

test('a build may be PENDING first', async (t) => {
  const clock = createManualClock();
  const { create, builds, notifications } = await openCloudBuild(
    t,
    { pendingMs: 1000, queuedMs: 1000 },
    clock,
  );
  const id = await create(aBuild());
  await clock.until(builds.finished(id));
  t.expect(notifications.told().map(({ status }) => status)).toEqual([
    'PENDING',
    'QUEUED',
    'WORKING',
    'SUCCESS',
  ]);
});
