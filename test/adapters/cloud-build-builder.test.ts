import { describe, test } from 'vitest';
import { imageBuilderContract, NO_DEPENDENCIES, settled } from '../contract/image-builder.ts';
import { FAULTS } from '../doubles/google-api/faults.ts';
import { type CloudBuilderHarness, cloudBuilderHarness } from '../fixtures/cloud-build-builder.ts';
import type { Cleanup } from '../fixtures/docker-platform.ts';
import { hasPart } from '../fixtures/require.ts';

async function opened(
  onTestFinished: Cleanup,
  ...options: Parameters<typeof cloudBuilderHarness>
): Promise<CloudBuilderHarness> {
  const harness = await cloudBuilderHarness(...options);
  onTestFinished(() => harness.close());
  return harness;
}

async function keyOf({ builder, good }: CloudBuilderHarness): Promise<string> {
  return (await builder.plan(good))?.key ?? '';
}

const creates = ({ api }: CloudBuilderHarness) => api.calls('CreateBuild').length;

describe.runIf(hasPart('registry'))('on Cloud Build', { timeout: 60_000 }, () => {
  imageBuilderContract('Cloud Build', cloudBuilderHarness);

  test('a build that another instance began is taken up, and not made twice', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const { builder, good } = harness;
    const key = await keyOf(harness);
    await builder.start({ key, attempt: 1, dependencies: good });
    const other = harness.another();
    expect(await other.poll(key, 1)).toEqual({ state: 'building' });
    await other.start({ key, attempt: 1, dependencies: good });
    expect(creates(harness)).toBe(1);
    expect(await settled({ ...harness, builder: other }, key, 1)).toEqual({ state: 'ready' });
    await other.start({ key, attempt: 2, dependencies: good });
    expect(creates(harness)).toBe(1);
    const digest = await harness.oci.registry.digestOf(harness.imageOf(key));
    expect(digest).toMatch(/^sha256:/);
  });

  test('what lists do not show yet is known to who made it', async ({ expect, onTestFinished }) => {
    const harness = await opened(onTestFinished);
    const { builder, bad, double } = harness;
    const key = (await builder.plan(bad))?.key ?? '';
    double.listLag(600_000);
    await builder.start({ key, attempt: 1, dependencies: bad });
    await builder.start({ key, attempt: 1, dependencies: bad });
    expect(creates(harness)).toBe(1);
    expect(await builder.poll(key, 1)).toEqual({ state: 'building' });
    expect(await settled(harness, key, 1)).toMatchObject({ state: 'failed' });
    expect((await builder.readLog(key, 0)).text).toContain('No solution found');
  });

  test('after a create with an unknown outcome the list tells, and none is sent before', async ({
    expect,
    onTestFinished,
  }) => {
    let now = Date.now();
    const clock = { now: () => now, sleep: async () => undefined };
    const harness = await opened(onTestFinished, { clock });
    const { builder, good, api, double } = harness;
    const key = await keyOf(harness);
    // The request is lost, and the reply with it.
    api.faults.script('CreateBuild', FAULTS.unavailable);
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(creates(harness)).toBe(1);
    expect(await builder.poll(key, 1)).toEqual({ state: 'building' });
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(creates(harness)).toBe(1);
    now += 121_000;
    expect(await builder.poll(key, 1)).toEqual({ state: 'absent' });
    // Only the reply is lost: the build is found.
    api.faults.script('CreateBuild', FAULTS.lostReply);
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(creates(harness)).toBe(2);
    expect(double.builds.all()).toHaveLength(1);
    expect(await builder.poll(key, 1)).toEqual({ state: 'building' });
    now += 121_000;
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(creates(harness)).toBe(2);
    expect(await settled(harness, key, 1)).toEqual({ state: 'ready' });
  });

  test('a build that ends well without an image has failed, and may be tried again', async ({
    expect,
    onTestFinished,
  }) => {
    const outcome = () => ({ log: '', exitCode: 0 });
    const harness = await opened(onTestFinished, {}, { outcome });
    const { builder, good } = harness;
    const key = await keyOf(harness);
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(await settled(harness, key, 1)).toMatchObject({
      state: 'failed',
      retryable: true,
      message: expect.stringContaining('not in the registry'),
    });
  });

  test('a base that is not there is told before anything is built', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const base = `${harness.oci.host}/team/base:2`;
    await expect(harness.builder.plan({ ...NO_DEPENDENCIES, base })).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining(base),
    });
  });
});
