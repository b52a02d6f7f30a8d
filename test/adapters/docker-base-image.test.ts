import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { probeDocker } from '../../functions/adapters/local/docker/engine/probe-docker.ts';
import { NO_DEPENDENCIES, settled } from '../contract/image-builder.ts';
import {
  type DockerParts,
  dockerParts,
  printedIn,
  removeImages,
  testDockerBuilder,
} from '../fixtures/docker-builder.ts';
import { startRegistry } from '../fixtures/loopback-registry.ts';
import { serveHttp } from '../fixtures/loopback-server.ts';
import { temporaryDirectory } from '../fixtures/process-platform.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';

const hasDocker = hasPart('docker');

describe.runIf(hasDocker)('base images of the engine', { timeout: 120_000 }, () => {
  test('Docker is usable here, unless the base image cannot be had', async ({ expect }) => {
    const parts = await dockerParts();
    const { baseImages } = parts.settings;
    expect(await probeDocker({ ...parts, baseImages })).toMatchObject({ usable: true });
    const gone = await probeDocker({ ...parts, baseImages: '127.0.0.1:9/gone:1' });
    expect(gone).toEqual({
      usable: false,
      reason: expect.stringMatching(
        /^The base image 127\.0\.0\.1:9\/gone:1 .*cannot be reached.*refused\.$/,
      ),
    });
  });

  test('a registry that wants a login is told from one that is away', async ({
    expect,
    onTestFinished,
  }) => {
    const { resolveBase } = await dockerParts();
    const registry = await serveHttp((_, response) => {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="registry"' }).end();
    });
    onTestFinished(registry.close);
    await expect(resolveBase(`127.0.0.1:${registry.port}/private:1`)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('refuses it'),
      hint: expect.stringContaining('docker login'),
    });
  });

  test('a tag that moves between plan and build fails the build', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, parts, builder } = await opened(onTestFinished);
    const base = `caliban-test/moving:${Date.now()}`;
    onTestFinished(() => removeImages(parts, [base]));
    await makeImage(parts, { dir, name: base, content: 'one' });
    const { Id: first } = await parts.engine.getImage(base).inspect();
    onTestFinished(() => removeImages(parts, [first]));
    const request = { ...NO_DEPENDENCIES, base };
    const before = await builder.plan(request);
    await makeImage(parts, { dir, name: base, content: 'two' });
    const after = await builder.plan(request);
    expect(after?.key).not.toBe(before?.key);
    const build = { key: before?.key ?? '', attempt: 1, dependencies: request };
    await builder.start(build);
    expect(await settled({ builder, pass: () => sleep(50) }, build.key, 1)).toMatchObject({
      state: 'failed',
      message: expect.stringContaining('changed before the build began'),
    });
  });

  test('one that has a user 1000 already runs jobs as caliban all the same', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, parts, builder, pass } = await opened(onTestFinished);
    const base = `caliban-test/taken:${Date.now()}`;
    const dockerfile = `FROM ${TEST_BASE_IMAGE}\nRUN useradd -u 1000 -m other\n`;
    onTestFinished(() => removeBase(parts, base));
    await makeImage(parts, { dir, name: base, dockerfile });
    const request = { ...NO_DEPENDENCIES, base };
    const { key, image } = { key: '', image: '', ...(await builder.plan(request)) };
    await builder.start({ key, attempt: 1, dependencies: request });
    expect(await settled({ builder, pass }, key, 1)).toEqual({ state: 'ready' });
    onTestFinished(() => removeImages(parts, [image ?? '']));
    const command = ['sh', '-c', 'id -un; id -gn; echo ~; id -u other; touch ~/file'];
    const said = await printedIn(parts, image ?? '', { command });
    expect(said).toBe('caliban\ncaliban\n/home/caliban\n1000\n');
  });

  test('one without Python is told', async ({ expect, onTestFinished }) => {
    const { dir, parts, builder, pass } = await opened(onTestFinished);
    const base = `caliban-test/bare:${Date.now()}`;
    const dockerfile = `FROM ${TEST_BASE_IMAGE}\nRUN rm /usr/bin/python3*\n`;
    onTestFinished(() => removeBase(parts, base));
    await makeImage(parts, { dir, name: base, dockerfile });
    const request = { ...NO_DEPENDENCIES, base };
    const key = (await builder.plan(request))?.key ?? '';
    await builder.start({ key, attempt: 1, dependencies: request });
    expect(await settled({ builder, pass }, key, 1)).toMatchObject({
      state: 'failed',
      message: `The base image ${base} has no python3.`,
      hint: expect.stringContaining('apt packages'),
      retryable: false,
    });
  });
});

describe.runIf(hasDocker && hasPart('registry'))(
  'base images of a registry',
  { timeout: 120_000 },
  () => {
    test('one that is not here is pulled by its digest, with progress in the log', async ({
      expect,
      onTestFinished,
    }) => {
      const { dir, parts, builder, pass } = await opened(onTestFinished);
      const registry = await startRegistry(dir);
      onTestFinished(registry.close);
      const base = `${registry.host}/team/tiny:1`;
      await makeImage(parts, { dir, name: base, content: `${Date.now()}` });
      await docker(parts, ['push', base]);
      await removeImages(parts, [base]);
      onTestFinished(() => removeImages(parts, [base]));
      const request = { ...NO_DEPENDENCIES, base };
      const plan = await builder.plan(request);
      const key = plan?.key ?? '';
      await builder.start({ key, attempt: 1, dependencies: request });
      // There is nothing in it to build with: what counts here is that it came.
      expect(await settled({ builder, pass }, key, 1)).toMatchObject({
        state: 'failed',
        hint: expect.stringContaining('no shell'),
      });
      const { text } = await builder.readLog(key, 0);
      const pinned = `${registry.host}/team/tiny@sha256:[0-9a-f]{64}`;
      expect(text).toMatch(new RegExp(`^\\$ .*docker pull ${pinned}\n.*Pulling from team/tiny\n`));
      expect(text).toMatch(new RegExp(`Downloaded newer image for ${pinned}`));
      expect(text).toMatch(new RegExp(`FROM ${pinned}`));
      // From now on it is here, by its name and with the same key, also without the registry.
      await registry.close();
      const again = testDockerBuilder(dir, await dockerParts());
      expect(await again.plan(request)).toEqual(plan);
      await expect(
        again.plan({ ...request, base: `${registry.host}/team/tiny:2` }),
      ).rejects.toMatchObject({ message: expect.stringContaining('cannot be reached') });
    });

    test('one that its registry does not have is told', async ({ expect, onTestFinished }) => {
      const { dir, builder } = await opened(onTestFinished);
      const registry = await startRegistry(dir);
      onTestFinished(registry.close);
      const base = `${registry.host}/team/none:1`;
      await expect(builder.plan({ ...NO_DEPENDENCIES, base })).rejects.toMatchObject({
        code: 'BUILD_FAILED',
        message: expect.stringMatching(/neither on this machine nor in its registry/),
      });
    });
  },
);

type Cleanup = (work: () => Promise<void>) => void;

async function opened(onTestFinished: Cleanup) {
  const dir = await temporaryDirectory();
  const parts = await dockerParts();
  const builder = testDockerBuilder(dir, parts);
  onTestFinished(async () => {
    await builder.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  return { dir, parts, builder, pass: () => sleep(50) };
}

/** Builds an image; `content` is that of its one file, unless there is a Dockerfile. */
async function makeImage(
  parts: DockerParts,
  image: {
    readonly dir: string;
    readonly name: string;
    readonly content?: string;
    readonly dockerfile?: string;
  },
): Promise<void> {
  const { dir, name, content = '' } = image;
  const { dockerfile = 'FROM scratch\nCOPY content /content\n' } = image;
  await writeFile(join(dir, 'content'), content);
  await writeFile(join(dir, 'Dockerfile'), dockerfile);
  await docker(parts, ['build', '--quiet', '--tag', name, dir]);
}

/** Removes an image of the engine, and the tag that pins it. */
async function removeBase(parts: DockerParts, name: string): Promise<void> {
  const { pinned } = await parts.resolveBase(name);
  await removeImages(parts, [pinned, name]);
}

async function docker({ findCli }: DockerParts, args: readonly string[]): Promise<void> {
  const { program, env } = await findCli();
  await promisify(execFile)(program, args, { env });
}
