import { test } from 'vitest';
import { pretendExecutor } from '../../doubles/cloud-build/executor.ts';
import { createManualClock } from '../../doubles/manual-clock.ts';
import { aBuild, openCloudBuild } from './cloud-build-client.ts';

type Message = { readonly data: string; readonly attributes: object };

/** A topic that keeps what is published. */
function aTopic() {
  const messages: Message[] = [];
  const publish = async (data: Uint8Array, attributes: object) => {
    messages.push({ data: new TextDecoder().decode(data), attributes });
  };
  const statuses = () => messages.map(({ data }) => JSON.parse(data).status);
  return { messages, publish, statuses };
}

test('each change of status is told, as JSON of the build', async (t) => {
  const clock = createManualClock(Date.UTC(2026, 11, 1, 10, 0, 0, 250));
  const { messages, publish } = aTopic();
  const executor = pretendExecutor(clock, () => ({ ms: 1750, output: 'out' }));
  const { create, builds, notifications } = await openCloudBuild(t, { publish, executor }, clock);
  const id = await create(
    aBuild({
      tags: ['a'],
      timeout: { seconds: 600 },
      steps: [{ name: 'docker:cli', args: ['x', ''], env: ['A=b'] }],
      source: { storageSource: { bucket: 'sources', object: 'a.tgz', generation: '7' } },
      options: {
        logging: 'GCS_ONLY',
        logStreamingOption: 'STREAM_ON',
        machineType: 'E2_HIGHCPU_8',
      },
      substitutions: { _A: 'b' },
      images: ['i:$_A'],
    }),
  );
  await clock.until(builds.finished(id));
  await notifications.settled();
  t.expect(messages.map(({ attributes }) => attributes)).toEqual([
    { buildId: id, status: 'QUEUED' },
    { buildId: id, status: 'WORKING' },
    { buildId: id, status: 'FAILURE' },
  ]);
  const [queued = '', , ended = ''] = messages.map(({ data }) => data);
  t.expect(JSON.parse(queued)).toEqual({
    id,
    name: `projects/123456789012/locations/europe-west4/builds/${id}`,
    projectId: 'test-project',
    status: 'QUEUED',
    source: { storageSource: { bucket: 'sources', object: 'a.tgz', generation: '7' } },
    steps: [{ name: 'docker:cli', args: ['x', ''], env: ['A=b'] }],
    createTime: '2026-12-01T10:00:00.250Z',
    timeout: '600s',
    queueTtl: '3600s',
    images: ['i:b'],
    logsBucket: 'gs://123456789012.cloudbuild-logs.googleusercontent.com',
    options: { logging: 'GCS_ONLY', logStreamingOption: 'STREAM_ON', machineType: 'E2_HIGHCPU_8' },
    logUrl: `https://console.cloud.google.com/cloud-build/builds;region=europe-west4/${id}?project=123456789012`,
    substitutions: { _A: 'b' },
    tags: ['a'],
  });
  t.expect(JSON.parse(ended)).toMatchObject({
    status: 'FAILURE',
    failureInfo: { type: 'FETCH_SOURCE_FAILED' },
    startTime: '2026-12-01T10:00:00.250Z',
    finishTime: '2026-12-01T10:00:00.250Z',
  });
});

test('outputs of steps are base64 in a notification', async (t) => {
  const { messages, publish } = aTopic();
  const clock = createManualClock();
  const executor = pretendExecutor(clock, () => ({ ms: 1500, output: 'out' }));
  const { create, builds, notifications } = await openCloudBuild(t, { publish, executor }, clock);
  await clock.until(builds.finished(await create(aBuild())));
  await notifications.settled();
  const build = JSON.parse(messages.at(-1)?.data ?? '');
  t.expect(build.results).toEqual({ buildStepImages: [''], buildStepOutputs: ['b3V0'] });
  t.expect(build.steps[0].timing).toEqual({
    startTime: '2026-01-01T00:00:00Z',
    endTime: '2026-01-01T00:00:01.500Z',
  });
});

test('notifications may be dropped, doubled and late', async (t) => {
  const clock = createManualClock();
  const { publish, statuses } = aTopic();
  const executor = pretendExecutor(clock, () => ({ ms: 1000 }));
  const { create, builds, notifications } = await openCloudBuild(t, { publish, executor }, clock);
  notifications.script({ kind: 'delay', ms: 5000 }, { kind: 'drop' }, { kind: 'duplicate' });
  await clock.until(builds.finished(await create(aBuild())));
  t.expect(statuses()).toEqual(['SUCCESS', 'SUCCESS']);
  await clock.advance(5000);
  t.expect(statuses()).toEqual(['SUCCESS', 'SUCCESS', 'QUEUED']);
  t.expect(notifications.told().map(({ fault }) => fault?.kind)).toEqual([
    'delay',
    'drop',
    'duplicate',
  ]);
});

test('notifications may be lost by chance, or all when there is no topic', async (t) => {
  const { publish, statuses } = aTopic();
  const { create, builds, notifications } = await openCloudBuild(t, { publish });
  notifications.rates({ drop: 1 });
  await builds.finished(await create(aBuild()));
  t.expect(statuses()).toEqual([]);
  t.expect(notifications.told()).toHaveLength(3);
  const broken = await openCloudBuild(t, {
    publish: () => Promise.reject(new Error('topic not found')),
  });
  const { status } = await broken.builds.finished(await broken.create(aBuild()));
  t.expect(status).toBe('SUCCESS');
});

test('the log grows in its bucket while the build runs, when it is to stream', async (t) => {
  const clock = createManualClock();
  const puts: string[] = [];
  const putObject = async (bucket: string, name: string, bytes: Uint8Array) => {
    puts.push(`${bucket} ${name} ${bytes.length}`);
  };
  const executor = pretendExecutor(clock, (_, index) => ({ ms: 600, log: `line ${index}\n` }));
  const { create, builds } = await openCloudBuild(t, { putObject, executor }, clock);
  const steps = [{ name: 'docker' }, { name: 'docker' }];
  const logs = { logsBucket: 'gs://logs/builds' };
  const options = { logging: 'GCS_ONLY', logStreamingOption: 'STREAM_ON' } as const;
  const streamed = await create({ steps, ...logs, options });
  await clock.until(builds.finished(streamed));
  t.expect(puts.length).toBeGreaterThan(2);
  t.expect(new Set(puts.map((put) => put.split(' ').slice(0, 2).join(' ')))).toEqual(
    new Set([`logs builds/log-${streamed}.txt`]),
  );
  t.expect(puts.at(-1)).toMatch(new RegExp(` ${builds.find(streamed)?.log.text().length}$`));
  puts.length = 0;
  const whole = await create({ steps, ...logs, options: { logging: 'GCS_ONLY' } });
  await clock.until(builds.finished(whole));
  t.expect(puts).toHaveLength(1);
  const elsewhere = await create({ steps, ...logs, options: { logging: 'CLOUD_LOGGING_ONLY' } });
  await clock.until(builds.finished(elsewhere));
  t.expect(puts).toHaveLength(1);
});

test('a bucket that takes no log fails the build', async (t) => {
  const putObject = () => Promise.reject(new Error('403'));
  const { create, builds } = await openCloudBuild(t, { putObject });
  const { status, failureInfo } = await builds.finished(
    await create(aBuild({ logsBucket: 'logs' })),
  );
  t.expect([status, failureInfo?.type]).toEqual(['FAILURE', 'LOGGING_FAILURE']);
});
