import { describe, type TestContext, test } from 'vitest';
import { planRunImage } from '../../../../../../../functions/adapters/images/run-image.ts';
import { createEngineRegistry } from '../../../../../../../functions/adapters/local/docker/images/engine-registry.ts';
import { createImages } from '../../../../../../../functions/adapters/local/docker/images/images.ts';
import type { DockerProgram } from '../../../../../../../functions/adapters/local/docker/images/run-image-build.ts';
import { SILENT_LOG } from '../../../../../../doubles/logs.ts';
import { aFile, aLayer, aTar } from '../../../../../../doubles/tar-builder.ts';
import { layerSource } from '../../../../../../fixtures/engine-registry.ts';
import { type FakeEngine, openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';
import { systemClock } from '../../../../../../fixtures/system-clock.ts';

const LAYER = aLayer(aTar(aFile('usr/app/data', 'x')));
const BASE_ID = `sha256:${'b'.repeat(64)}`;
const BASE_LAYER = `sha256:${'1'.repeat(64)}`;
const OTHER = `sha256:${'2'.repeat(64)}`;
const IMAGE = { base: 'base:1', layers: [LAYER.declaration.diffId], entrypoint: ['true'] };
const CONTAINERD = [['driver-type', 'io.containerd.snapshotter.v1']];

describe('an image that the engine loaded', () => {
  test('counts when it has the layers it was given', async ({ expect, onTestFinished }) => {
    const { append, plan } = await loading(onTestFinished, (layers) => layers);
    expect(await append()).toEqual({ digest: plan.id });
  });

  test.for<readonly [string, (layers: readonly string[]) => readonly string[] | null]>([
    ['is not there', () => null],
    ['lacks a layer', (layers) => layers.slice(0, -1)],
    ['has one too many', (layers) => [...layers, OTHER]],
    ['has another base', (layers) => [OTHER, ...layers.slice(1)]],
    ['has other code', (layers) => layers.map((layer, at) => (at === 1 ? OTHER : layer))],
  ])('and %s is refused', async ([, made], { expect, onTestFinished }) => {
    const { append } = await loading(onTestFinished, made);
    await expect(append()).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('has not the layers'),
    });
  });
});

describe('an image that was built', () => {
  test('counts when it has the base’s layers and one for each of the code', async ({
    expect,
    onTestFinished,
  }) => {
    const { append } = await building(onTestFinished, [BASE_LAYER, OTHER]);
    expect(await append()).toEqual({ digest: OTHER });
  });

  test.for([[[BASE_LAYER]], [[OTHER, OTHER]], [[BASE_LAYER, OTHER, OTHER]]])(
    'and has %j is refused',
    async ([layers = []], { expect, onTestFinished }) => {
      const { append } = await building(onTestFinished, layers);
      await expect(append()).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    },
  );

  test('not at all, because the engine went away, is no failed build', async ({
    expect,
    onTestFinished,
  }) => {
    const { append, fake } = await building(onTestFinished, null);
    const failed = append('/bin/false');
    await expect(failed).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    const away = append('/bin/false', () => fake.close());
    await expect(away).rejects.toMatchObject({ code: 'UNAVAILABLE', hint: 'Start Docker.' });
  });
});

type Cleanup = TestContext['onTestFinished'];

/** An engine that takes an archive and then has an image with these layers, or none. */
async function loading(
  onTestFinished: Cleanup,
  made: (layers: readonly string[]) => readonly string[] | null,
) {
  const { fake, plan } = await withBase(onTestFinished, null);
  fake.answers.set('POST /images/load?quiet=true', [200, {}]);
  const source = layerSource([LAYER]);
  const registry = registryOf(fake, {
    ...source,
    open: async (diffId) => {
      const layers = made(plan.diffIds);
      if (layers !== null) answerWith(fake, plan.id, { id: plan.id, layers });
      return source.open(diffId);
    },
  });
  return { plan, append: () => registry().append(IMAGE) };
}

/** An engine with containerd's store, in which a build makes an image with these layers. */
async function building(onTestFinished: Cleanup, layers: readonly string[] | null) {
  const { fake, plan } = await withBase(onTestFinished, CONTAINERD);
  const tag = `repo=caliban%2Fbase&tag=${'b'.repeat(64)}`;
  fake.answers.set(`POST /images/${BASE_ID}/tag?${tag}`, [201, {}]);
  const registry = registryOf(fake, layerSource([LAYER]));
  const append = (program = '/bin/true', meanwhile: () => Promise<void> = async () => undefined) =>
    registry(async () => {
      await meanwhile();
      if (layers !== null) answerWith(fake, plan.tag, { id: OTHER, layers });
      return { program, env: {} };
    }).append(IMAGE);
  return { fake, append };
}

async function withBase(onTestFinished: Cleanup, DriverStatus: string[][] | null) {
  const fake = await openFakeEngine(onTestFinished);
  fake.answers.set('GET /info', [200, { DriverStatus }]);
  for (const name of ['base:1', BASE_ID]) {
    answerWith(fake, name, { id: BASE_ID, layers: [BASE_LAYER] });
  }
  const { signal } = new AbortController();
  const base = await createImages(async () => fake.engine, signal).inspect('base:1');
  if (base === null) throw new Error('there is no base');
  return { fake, plan: planRunImage(base, IMAGE) };
}

function registryOf(fake: FakeEngine, layers: ReturnType<typeof layerSource>) {
  const none = () => Promise.reject(new Error('nothing is built'));
  return (findDocker: () => Promise<DockerProgram> = none) =>
    createEngineRegistry({
      ...{ layers, findDocker, clock: systemClock, log: SILENT_LOG },
      connect: async () => fake.engine,
    });
}

function answerWith(
  { answers }: FakeEngine,
  name: string,
  { id, layers }: { readonly id: string; readonly layers: readonly string[] },
): void {
  const facts = { Id: id, Os: 'linux', Architecture: 'amd64' };
  const RootFS = { Type: 'layers', Layers: layers };
  answers.set(`GET /images/${name}/json`, [200, { ...facts, RootFS }]);
}
