import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { runImageName } from '../../functions/adapters/gcp/image-names.ts';
import { registryContract } from '../contract/registry.ts';
import { aBase, anIndex, pushImage } from '../doubles/handmade-image.ts';
import { codeLayer, layerSource } from '../fixtures/engine-registry.ts';
import { ociRegistryHarness, openOciRegistry } from '../fixtures/oci-registry.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';

const run = promisify(execFile);
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

describe.runIf(hasPart('registry'))('over the distribution API', () => {
  registryContract('OCI', ociRegistryHarness);

  test('a run image has the base’s layers, the code as plain tars and /usr/app on top', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry, repository, host, layers, base, image } =
      await openOciRegistry(onTestFinished);
    const { digest } = await registry.append({ base, layers, entrypoint: ['python', '$x'] });
    const url = `http://${host}/v2/project/caliban/run`;
    const accept = { headers: { accept: MANIFEST } };
    const manifest = await json(`${url}/manifests/${digest}`, accept);
    const [config, layer] = image.blobs.keys();
    expect(manifest.layers[0]).toMatchObject({
      digest: layer,
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    });
    expect(manifest.layers.slice(1, 3).map(({ digest }: { digest: string }) => digest)).toEqual(
      layers.map((diffId) => `sha256:${diffId}`),
    );
    expect(manifest.layers).toHaveLength(4);
    expect(manifest.config.digest).not.toBe(config);
    const made = await json(`${url}/blobs/${manifest.config.digest}`);
    expect(made.config).toMatchObject({
      User: '1000:1000',
      WorkingDir: '/usr/app',
      Entrypoint: ['python', '$x'],
      Labels: { 'dev.caliban.kind': 'run' },
    });
    expect(made.config.Cmd).toBeUndefined();
    const tagged = await fetch(`${url}/manifests/${digest.slice(7, 47)}`, accept);
    expect(tagged.headers.get('docker-content-digest')).toBe(digest);
    await tagged.body?.cancel();
    expect(await registry.digestOf(runImageName(repository, digest))).toBe(digest);
    expect(await registry.digestOf(`${repository}/deps:none`)).toBeNull();
  });

  test('what is resolved can be run by its bare digest, from an index for linux/amd64', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry, host } = await openOciRegistry(onTestFinished);
    const [arm, intel] = [aBase({ os: 'linux', architecture: 'arm64' }), aBase()];
    const index = anIndex([
      { image: arm, architecture: 'arm64' },
      { image: intel, architecture: 'amd64' },
    ]);
    const team = `${host}/team/base`;
    await pushImage(team, arm.digest, arm);
    await pushImage(team, intel.digest, intel);
    await pushImage(team, '1', index);
    const found = { state: 'found', digest: intel.digest };
    expect(await registry.resolve(`${team}:1`)).toEqual(found);
    expect(await registry.resolve(intel.digest)).toEqual(found);
    const { digest } = await registry.append({
      base: intel.digest,
      layers: [],
      entrypoint: ['true'],
    });
    expect(digest).not.toBe(intel.digest);
    expect(await registry.baseImage(`${team}:1`)).toEqual({
      reference: `${team}:1`,
      pinned: `${team}@${index.digest}`,
      digest: index.digest,
    });
    await pushImage(team, '2', anIndex([{ image: arm, architecture: 'arm64' }]));
    expect(await registry.resolve(`${team}:2`)).toMatchObject({
      state: 'absent',
      message: expect.stringContaining('linux/amd64'),
    });
    await expect(registry.baseImage(`${team}:3`)).rejects.toMatchObject({ code: 'BUILD_FAILED' });
  });

  test('a layer that is not there is named, and one with other bytes refused', async ({
    expect,
    onTestFinished,
  }) => {
    const good = codeLayer('one', randomUUID());
    const bad = { ...good, tar: codeLayer('one', randomUUID()).tar };
    const { registry, base } = await openOciRegistry(onTestFinished, {
      layers: layerSource([bad]),
    });
    const appended = (diffId: string) =>
      registry.append({ base, layers: [diffId], entrypoint: ['true'] });
    await expect(appended('f'.repeat(64))).rejects.toMatchObject({
      code: 'LAYER_MISSING',
      message: expect.stringContaining('f'.repeat(64)),
    });
    await expect(appended(good.declaration.diffId)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining(good.declaration.diffId),
    });
  });

  test('what breaks off in the layer store is thrown as it is', async ({
    expect,
    onTestFinished,
  }) => {
    const layer = codeLayer('one', randomUUID());
    const open = async () => breakingOff(layer.tar);
    const { registry, base } = await openOciRegistry(onTestFinished, {
      layers: { ...layerSource([layer]), open },
    });
    const image = { base, layers: [layer.declaration.diffId], entrypoint: ['true'] };
    await expect(registry.append(image)).rejects.toThrow('broken disk');
  });

  test.for(['', 'UPPER', 'a b', '../v2/x', 'a?b=c', '-f', 'x\ny'])(
    '%j is no reference, and nothing is asked',
    async (reference, { expect, onTestFinished }) => {
      const { registry } = await openOciRegistry(onTestFinished, {
        fetch: () => Promise.reject(new Error('asked')),
      });
      expect(await registry.resolve(reference)).toMatchObject({ state: 'absent' });
      const image = { base: reference, layers: [], entrypoint: ['true'] };
      await expect(registry.append(image)).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    },
  );

  test.runIf(hasPart('docker'))(
    'an appended image runs in an engine, with its code in /usr/app',
    { timeout: 300_000 },
    async ({ expect, onTestFinished }) => {
      const { registry, repository, layers } = await openOciRegistry(onTestFinished);
      const base = `${repository}/deps:python`;
      await run('docker', ['tag', TEST_BASE_IMAGE, base]);
      onTestFinished(async () => void (await run('docker', ['rmi', base])));
      await run('docker', ['push', '--quiet', base]);
      const script = 'cat usr/app/one/data; stat -c "%u %a" usr/app; python3 -c "print(6 * 7)"';
      const entrypoint = ['/bin/sh', '-c', `cd /; ${script}`];
      const { digest } = await registry.append({ base, layers, entrypoint });
      const name = runImageName(repository, digest);
      const { stdout } = await run('docker', ['run', '--rm', '--network', 'none', name]);
      onTestFinished(async () => void (await run('docker', ['rmi', name])));
      expect(stdout).toMatch(/^[0-9a-f-]{36}1000 777\n42\n$/);
    },
  );
});

async function json(url: string, init: RequestInit = {}) {
  return JSON.parse(await (await fetch(url, init)).text());
}

async function* breakingOff(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes.subarray(0, 100);
  throw new Error('broken disk');
}
