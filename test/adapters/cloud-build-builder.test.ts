import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, test, vi } from 'vitest';
import { createCloudBuilds } from '../../functions/adapters/gcp/build-client.ts';
import type { BuildRequest } from '../../functions/adapters/gcp/build-spec.ts';
import { runImageName } from '../../functions/adapters/gcp/image-names.ts';
import type { DependencyRequest } from '../../functions/ports/image-builder.ts';
import { imageBuilderContract, NO_DEPENDENCIES, settled } from '../contract/image-builder.ts';
import { startBuildkitExecutor } from '../doubles/cloud-build/buildkit-executor.ts';
import { FAULTS } from '../doubles/google-api/faults.ts';
import { TEST_PROJECT } from '../doubles/google-api/projects.ts';
import { type CloudBuilderHarness, cloudBuilderHarness } from '../fixtures/cloud-build-builder.ts';
import { type Cleanup, waiter } from '../fixtures/docker-platform.ts';
import { hasPart, TEST_BASE_IMAGE, toolsDirectory } from '../fixtures/require.ts';

const run = promisify(execFile);

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

/** A create of a client that asked for nothing before. */
async function createsAlone({ api }: CloudBuilderHarness): Promise<string | null> {
  const builds = createCloudBuilds({
    projectId: TEST_PROJECT.id,
    region: 'europe-west4',
    endpoint: api.endpoint,
    repository: 'r',
  });
  return builds.create({} as BuildRequest);
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
    const harness = await opened(onTestFinished, {}, async () => ({ outcome }));
    const { builder, good } = harness;
    const key = await keyOf(harness);
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(await settled(harness, key, 1)).toMatchObject({
      state: 'failed',
      retryable: true,
      message: expect.stringContaining('not in the registry'),
    });
  });

  test('without a way to sign in nothing is asked; builds go on when there is one again', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const { builder, good, api } = harness;
    const key = await keyOf(harness);
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/credentials.json');
    const unavailable = {
      code: 'UNAVAILABLE',
      message: expect.stringContaining('Cloud Build does not answer'),
    };
    const start = () => builder.start({ key, attempt: 1, dependencies: good });
    await expect(start()).rejects.toMatchObject(unavailable);
    await expect(builder.poll(key, 1)).rejects.toMatchObject(unavailable);
    await expect(createsAlone(harness)).rejects.toMatchObject(unavailable);
    expect(api.calls()).toEqual([]);
    const { GOOGLE_APPLICATION_CREDENTIALS } = api.environment;
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', GOOGLE_APPLICATION_CREDENTIALS);
    await start();
    expect(await settled(harness, key, 1)).toEqual({ state: 'ready' });
  });

  test('the secret of the package index is given by its name, and changes the key', async ({
    expect,
    onTestFinished,
  }) => {
    const indexUrlSecret = 'projects/test-project/secrets/index/versions/1';
    const secrets = { [indexUrlSecret]: 'https://user:password@index.example/simple' };
    const harness = await opened(onTestFinished, {}, async () => ({ secrets }));
    const dependencies = {
      ...NO_DEPENDENCIES,
      layer: 'a'.repeat(64),
      requirements: 'requirements.txt',
    };
    const readLayerFile = async () => Buffer.from('numpy\n');
    const plain = harness.another({ readLayerFile });
    const builder = harness.another({ readLayerFile, indexUrlSecret });
    const key = (await builder.plan(dependencies))?.key ?? '';
    expect(key).not.toBe((await plain.plan(dependencies))?.key);
    await builder.start({ key, attempt: 1, dependencies });
    expect(await settled({ ...harness, builder }, key, 1)).toEqual({ state: 'ready' });
    const [made] = harness.double.builds.all();
    expect(JSON.stringify(made?.build)).not.toContain('password');
    expect(made?.build.steps[0]?.secretEnv).toEqual(['CALIBAN_INDEX_URL']);
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

const canBuild = hasPart('registry') && hasPart('tools') && hasPart('docker');

describe.runIf(canBuild)('with the real buildx and BuildKit', { timeout: 300_000 }, () => {
  test('an image is built, pushed and runs; a failed build is explained from its log', async ({
    expect,
    onTestFinished,
  }) => {
    let executor: Awaited<ReturnType<typeof startBuildkitExecutor>> | undefined;
    onTestFinished(async () => executor?.close());
    const harness = await opened(onTestFinished, {}, async (host) => {
      const tools = toolsDirectory();
      executor = await startBuildkitExecutor({ tools, plainRegistries: [host], keepsCache: true });
      return { executor };
    });
    const { builder, oci } = harness;
    const base = `${oci.host}/team/python:1`;
    await run('docker', ['tag', TEST_BASE_IMAGE, base]);
    onTestFinished(async () => void (await run('docker', ['rmi', base])));
    await run('docker', ['push', '--quiet', base]);

    const built = async (dependencies: DependencyRequest) => {
      const key = (await builder.plan(dependencies))?.key ?? '';
      await builder.start({ key, attempt: 1, dependencies });
      const progress = await settled({ builder, pass: waiter.pass }, key, 1);
      return { key, progress };
    };
    const bad = await built({ ...NO_DEPENDENCIES, base, python: '2.7' });
    expect(bad.progress, (await builder.readLog(bad.key, 0)).text).toMatchObject({
      state: 'failed',
      message: expect.stringMatching(
        /^The base image .*team\/python:1 has Python 3\.\d+\.\d+, not 2\.7\.$/,
      ),
      retryable: false,
    });
    expect((await builder.readLog(bad.key, 0)).text).toContain(
      'caliban: the base image has Python',
    );

    const good = await built({ ...NO_DEPENDENCIES, base });
    expect(good.progress, (await builder.readLog(good.key, 0)).text).toEqual({ state: 'ready' });
    const image = harness.imageOf(good.key);
    const { digest } = await oci.registry.append({
      base: image,
      layers: oci.layers,
      entrypoint: [
        'python',
        '-c',
        'import sys; print(sys.prefix, open("/usr/app/one/data").read())',
      ],
    });
    const name = runImageName(oci.repository, digest);
    onTestFinished(async () => void (await run('docker', ['rmi', name])));
    const { stdout } = await run('docker', ['run', '--rm', '--network', 'none', name]);
    expect(stdout).toMatch(/^\/opt\/caliban\/venv [0-9a-f-]{36}\n$/);
    const outputs = harness.double.builds.all().at(-1)?.build.results?.buildStepOutputs ?? [];
    const told = Buffer.from(outputs[0] ?? [])
      .toString()
      .trim();
    expect(told).toBe(await oci.registry.digestOf(image));
  });
});
