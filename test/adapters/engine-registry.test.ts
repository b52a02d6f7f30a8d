import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { describe, test } from 'vitest';
import type { Engine } from '../../functions/adapters/local/docker/engine/engine.ts';
import type { ImageLookup, Registry } from '../../functions/ports/registry.ts';
import { eventually } from '../contract/platform.ts';
import { registryContract } from '../contract/registry.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import { aFile, aTar } from '../doubles/tar-builder.ts';
import { type Cleanup, imageWith, testEngine, waiter } from '../fixtures/docker-platform.ts';
import {
  codeLayer,
  engineRegistryHarness,
  layerSource,
  openRegistry,
} from '../fixtures/engine-registry.ts';
import { startRegistry } from '../fixtures/loopback-registry.ts';
import { temporaryDirectory } from '../fixtures/process-platform.ts';
import { hasPart } from '../fixtures/require.ts';

const hasDocker = hasPart('docker');
const LOOK = ['/bin/sh', '-c', 'stat -c "%u:%g %a %n" usr/app/one/*; cat usr/app/one/data'];

describe.runIf(hasDocker)('on a local engine', () => {
  registryContract('engine', engineRegistryHarness);

  test('an appended image has the files, owners and modes of its layers, and says what it is', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry, layers, base } = await openRegistry(onTestFinished);
    const run = await registry.append({ base, layers, entrypoint: ['/usr/app/two/run.sh', '$x'] });
    expect(await output(run.digest, ['a b'])).toBe('ran $x a b\n');
    const look = await registry.append({ base, layers, entrypoint: LOOK });
    const [data, script, content] = (await output(look.digest, [])).split('\n');
    expect(data).toBe('1000:1000 644 usr/app/one/data');
    expect(script).toBe('1000:1000 755 usr/app/one/run.sh');
    expect(content).toMatch(/^[0-9a-f-]{36}$/);
    const facts = await (await testEngine).getImage(run.digest).inspect();
    expect(facts.RepoTags).toEqual([`caliban/run:${run.digest.slice(7, 47)}`]);
    expect(facts.Config.Labels).toEqual({ ...(await labelsOf(base)), 'dev.caliban.kind': 'run' });
    expect(facts.RootFS.Layers?.slice(1, 3)).toEqual(layers.map((layer) => `sha256:${layer}`));
  });

  test('a base’s user, working directory, environment and labels are kept, its command is not', async ({
    expect,
    onTestFinished,
  }) => {
    const base = await imageWith(onTestFinished, [
      'USER 1000:1000',
      'WORKDIR /opt',
      'ENV GREETING="hello you"',
      'LABEL team=vision',
      'CMD ["never"]',
    ]);
    const { registry, layers } = await openRegistry(onTestFinished);
    const script = 'pwd; id -u; echo $GREETING $#';
    const image = { base, layers, entrypoint: ['/bin/sh', '-c', script, 'sh'] };
    const { digest } = await registry.append(image);
    expect(await output(digest, undefined)).toBe('/opt\n1000\nhello you 0\n');
    const had = await labelsOf(base);
    expect(had).toMatchObject({ team: 'vision' });
    expect(await labelsOf(digest)).toEqual({ ...had, 'dev.caliban.kind': 'run' });
  });

  test('the code’s directory is the job’s to write to, as it is in the base', async ({
    expect,
    onTestFinished,
  }) => {
    const base = await imageWith(onTestFinished, ['USER 1000:1000', 'WORKDIR /usr/app']);
    const { registry, layers } = await openRegistry(onTestFinished);
    const script = 'echo mine > file; cat file; stat -c "%u:%g %a" . /usr';
    const { digest } = await registry.append({
      base,
      layers,
      entrypoint: ['/bin/sh', '-c', script],
    });
    expect(await output(digest, [])).toBe('mine\n1000:1000 777\n0:0 755\n');
  });

  test('what is there is not sent again, and gets its tag back', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry, layers, base } = await openRegistry(onTestFinished);
    const image = { base, layers, entrypoint: ['true'] };
    const { digest } = await registry.append(image);
    const engine = await testEngine;
    const [own, kept] = [digest.slice(7, 47), `kept-${digest.slice(7, 47)}`];
    await engine.getImage(digest).tag({ repo: 'caliban/run', tag: kept });
    await engine.getImage(`caliban/run:${own}`).remove();
    const notAsked = () => Promise.reject(new Error('not asked'));
    const layerless = { check: notAsked, open: notAsked };
    const other = await openRegistry(onTestFinished, { layers: layerless });
    expect(await other.registry.append(image)).toEqual({ digest });
    const { RepoTags } = await engine.getImage(digest).inspect();
    expect(RepoTags).toContain(`caliban/run:${own}`);
  });

  test('a layer that is not there is named, and nothing is made', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry, base, layers } = await openRegistry(onTestFinished);
    const image = { base, layers: [...layers, 'f'.repeat(64)], entrypoint: ['true'] };
    const refused = registry.append(image);
    await expect(refused).rejects.toMatchObject({ code: 'LAYER_MISSING' });
    await expect(refused).rejects.toThrow('f'.repeat(64));
  });

  test('a layer with other bytes than its key says is refused by the engine', async ({
    expect,
    onTestFinished,
  }) => {
    const good = codeLayer('one', randomUUID());
    const bad = { ...good, tar: codeLayer('one', randomUUID()).tar };
    const { registry, base } = await openRegistry(onTestFinished, { layers: layerSource([bad]) });
    const image = { base, layers: [good.declaration.diffId], entrypoint: ['true'] };
    await expect(registry.append(image)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('invalid diffID'),
    });
  });

  test('a layer that breaks off while it is sent makes nothing', async ({
    expect,
    onTestFinished,
  }) => {
    const layer = codeLayer('one', randomUUID());
    const source = layerSource([layer]);
    const open = async (diffId: string) => breakingOff(await source.open(diffId));
    const { registry, base } = await openRegistry(onTestFinished, { layers: { ...source, open } });
    const image = { base, layers: [layer.declaration.diffId], entrypoint: ['true'] };
    await expect(registry.append(image)).rejects.toThrow('broken disk');
    const whole = await openRegistry(onTestFinished, { layers: source });
    expect((await whole.registry.append(image)).digest).toMatch(/^sha256:/);
  });

  test('an engine that is not there is UNAVAILABLE', async ({ expect, onTestFinished }) => {
    const connect = async () => new Docker({ socketPath: '/nonexistent/engine.sock' });
    const { registry, layers, base } = await openRegistry(onTestFinished, { connect });
    const unavailable = { code: 'UNAVAILABLE', hint: 'Start Docker.' };
    await expect(registry.resolve(base)).rejects.toMatchObject(unavailable);
    const appended = registry.append({ base, layers, entrypoint: ['true'] });
    await expect(appended).rejects.toMatchObject(unavailable);
  });

  test.for(['', 'UPPER', 'a b', '../containers/json', 'a?b=c', '-f', 'x\ny'])(
    '%j is no reference, and nothing is asked',
    async (reference, { expect, onTestFinished }) => {
      const connect = () => Promise.reject(new Error('asked'));
      const { registry } = await openRegistry(onTestFinished, { connect });
      expect(await registry.resolve(reference)).toMatchObject({ state: 'absent' });
      const image = { base: reference, layers: [], entrypoint: ['true'] };
      await expect(registry.append(image)).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    },
  );
});

describe.runIf(hasDocker)('an engine with containerd’s image store', () => {
  test('gets a build instead, once', async ({ expect, onTestFinished }) => {
    const program = {
      program: 'docker',
      env: { ...process.env, DOCKER_BUILDKIT: '0' } as Record<string, string>,
    };
    let builds = 0;
    const base = await imageWith(onTestFinished, [`LABEL test=${randomUUID()}`]);
    const { registry, layers } = await openRegistry(onTestFinished, {
      connect: async () => containerdEngine(),
      findDocker: async () => {
        builds += 1;
        return program;
      },
    });
    const words = [
      '/bin/sh',
      '-c',
      'cat usr/app/one/data; stat -c %u:%a usr/app/two/run.sh; echo "$0"',
      '$a "b" \\ \n',
    ];
    const image = { base, layers, entrypoint: words };
    const [a, b] = await Promise.all([registry.append(image), registry.append(image)]);
    expect(b).toEqual(a);
    expect(await registry.append(image)).toEqual(a);
    expect(builds).toBe(1);
    expect(await output(a.digest, [])).toMatch(/^[0-9a-f-]{36}1000:755\n\$a "b" \\ \n\n$/);
  });

  test('tells what the build said when it fails', async ({ expect, onTestFinished }) => {
    const base = await imageWith(onTestFinished, [`LABEL test=${randomUUID()}`]);
    const { registry, layers } = await openRegistry(onTestFinished, {
      connect: async () => containerdEngine(),
      findDocker: async () => ({ program: '/bin/sh', env: {} }),
    });
    const image = { base, layers, entrypoint: ['true'] };
    await expect(registry.append(image)).rejects.toMatchObject({ code: 'BUILD_FAILED' });
  });
});

describe.runIf(hasDocker && hasPart('registry'))('an image that is not on the machine', () => {
  test('is fetched once, in the background', async ({ expect, onTestFinished }) => {
    const { reference, host } = await publishedImage(onTestFinished);
    const said: unknown[] = [];
    const log = { ...SILENT_LOG, info: (_: unknown, words: string) => void said.push(words) };
    const { registry } = await openRegistry(onTestFinished, { log });
    const looks = await Promise.all([1, 2, 3].map(() => registry.resolve(reference)));
    expect(looks[0]).toEqual(PENDING);
    const found = await fetched(registry, reference);
    expect(found).toMatchObject({ state: 'found' });
    const { Id, RepoTags } = await (await testEngine).getImage(reference).inspect();
    expect(found).toEqual({ state: 'found', digest: Id });
    expect(RepoTags).toEqual([reference]);
    await eventually(waiter, async () => (said.length > 1 ? true : undefined));
    expect(said).toEqual(['fetching an image', 'fetched an image']);
    expect(await registry.resolve(`${host}/team/tiny:2`)).toEqual(PENDING);
  });

  test('and not in its registry is absent, in the engine’s words, for a while', async ({
    expect,
    onTestFinished,
  }) => {
    const { reference, host } = await publishedImage(onTestFinished);
    let now = 1000;
    const clock = { now: () => now, sleep: () => Promise.reject(new Error('nobody waits')) };
    const { registry } = await openRegistry(onTestFinished, { clock });
    const gone = `${host}/team/none:1`;
    const found = await fetched(registry, gone);
    expect(found).toMatchObject({ state: 'absent', message: expect.stringContaining(gone) });
    expect(found).toMatchObject({ message: expect.stringContaining('not found') });
    expect(found).toMatchObject({ hint: expect.stringContaining(`docker pull ${gone}`) });
    now += 29_000;
    expect(await registry.resolve(gone)).toEqual(found);
    now += 2000;
    expect(await registry.resolve(gone)).toEqual(PENDING);
    expect(await registry.resolve(reference)).toEqual(PENDING);
  });

  test('a fetch that is under way ends with the registry', async ({ expect, onTestFinished }) => {
    const server = await silentServer(onTestFinished);
    const { registry } = await openRegistry(onTestFinished);
    expect(await registry.resolve(`${server}/team/slow:1`)).toEqual(PENDING);
    await registry.close();
  });
});

const PENDING = { state: 'pending' };

/** The first answer that is not "pending". */
function fetched(registry: Registry, reference: string): Promise<ImageLookup> {
  return eventually(waiter, async () => {
    const found = await registry.resolve(reference);
    return found.state === 'pending' ? undefined : found;
  });
}

/** An image of one file in a registry of its own, not on the engine any more. */
async function publishedImage(onTestFinished: Cleanup) {
  const dir = await temporaryDirectory();
  const { host, close } = await startRegistry(dir);
  onTestFinished(async () => {
    await close();
    await rm(dir, { recursive: true, force: true });
  });
  const engine = await testEngine;
  const reference = `${host}/team/tiny:1`;
  const tar = Readable.from([aTar(aFile('content', randomUUID()))]);
  await finished(await engine.importImage(tar, { repo: `${host}/team/tiny`, tag: '1' }));
  await finished(await engine.getImage(reference).push({ authconfig: NOBODY }));
  await engine.getImage(reference).remove();
  onTestFinished(async () => {
    await engine
      .getImage(reference)
      .remove()
      .catch(() => undefined); // not fetched
  });
  return { reference, host };
}

/** What an image says it is: the base of these tests has labels of its own. */
async function labelsOf(image: string): Promise<Record<string, string>> {
  return (await (await testEngine).getImage(image).inspect()).Config.Labels ?? {};
}

const NOBODY = { username: '', password: '', serveraddress: '' };

async function finished(stream: NodeJS.ReadableStream): Promise<void> {
  for await (const line of stream)
    if (String(line).includes('"error"')) throw new Error(String(line));
}

/** A server that takes connections and never answers. */
async function silentServer(onTestFinished: Cleanup): Promise<string> {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' ? `127.0.0.1:${address?.port}` : '';
}

/** The tests' engine, as if it kept its images in the other store. */
async function containerdEngine(): Promise<Engine> {
  const DriverStatus = [['driver-type', 'io.containerd.snapshotter.v1']];
  return Object.assign(new Docker(), { info: async () => ({ DriverStatus }) });
}

async function* breakingOff(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of bytes) {
    yield piece;
    throw new Error('broken disk');
  }
}

/** What a container of the image prints; `args` undefined: the image's own. */
async function output(image: string, args: readonly string[] | undefined): Promise<string> {
  const engine = await testEngine;
  const command = args === undefined ? {} : { Cmd: [...args] };
  const container = await engine.createContainer({ Image: image, Tty: true, ...command });
  await container.start();
  await container.wait();
  const log = await container.logs({ stdout: true, stderr: true });
  await container.remove();
  return String(log).replaceAll('\r', '');
}
