import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { DependencyRequest } from '../../functions/ports/image-builder.ts';
import {
  type ImageBuilderHarness,
  imageBuilderContract,
  NO_DEPENDENCIES,
  settled,
} from '../contract/image-builder.ts';
import {
  type DockerParts,
  dockerParts,
  printedIn,
  removeImages,
  requestWith,
  testDockerBuilder,
} from '../fixtures/docker-builder.ts';
import { openPackageIndex } from '../fixtures/package-index.ts';
import { temporaryDirectory } from '../fixtures/process-platform.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';
import { buildFixtureWheel, fetchInstaller } from '../fixtures/venv-builder.ts';

const HOST = fileURLToPath(new URL('../fixtures/docker-host.ts', import.meta.url));
const GREETING = ['python', '-c', 'import caliban_fixture as f; print(f.GREETING)'];
const PASSWORD = 'pa55-of-the-index';

describe.runIf(hasPart('docker'))('dependency images in Docker', { timeout: 120_000 }, () => {
  imageBuilderContract('Docker', open);

  test('packages of the usual index and of apt are there, for every user', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, parts, builder, pass } = await opened(onTestFinished);
    // A path that a shell, or a Dockerfile, would read otherwise if it were not quoted.
    const odd = `it's "\${HOME} $(touch /usr/app/pwned)'#`;
    const files = {
      [`${odd}/all.txt`]: '-r more/one.txt\n',
      [`${odd}/more/one.txt`]: 'six==1.17.0\n',
    };
    const request = { ...(await requestWith(dir, 'real', files)), apt: ['tree'], python: '3' };
    const { key, image } = await built({ builder, pass }, request);
    const engine = parts.engine.getImage(image);
    onTestFinished(() => removeImages(parts, [image]));
    const { Config: config } = await engine.inspect();
    expect(config).toMatchObject({
      User: '1000:1000',
      WorkingDir: '/usr/app',
      Labels: { 'dev.caliban.kind': 'dependencies', 'dev.caliban.key': key },
    });
    const script =
      'tree --version | cut -c1-4; python -c "import six; print(six.__version__)"; touch /usr/app/a ~/b; ls /usr/app; id -u; echo $HOME; ls /var/lib/apt/lists';
    const command = ['sh', '-c', script];
    const said = (user: string) => `tree\n1.17.0\na\n${user}\n/home/caliban\n`;
    expect(await printedIn(parts, image, { command })).toBe(said('1000'));
    expect(await printedIn(parts, image, { user: '4321:4321', command })).toBe(said('4321'));
    const name = await printedIn(parts, image, { command: ['id', '-un'] });
    expect(name).toBe('caliban\n');
    // What the base brings stays visible, and the tools of the build do not.
    const tools = 'import pip, shutil; print(shutil.which("uv"))';
    expect(await printedIn(parts, image, { command: ['python', '-c', tools] })).toBe('None\n');
  });

  test('the password of the index is in no image, log or key', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, parts, wheels, pass } = await opened(onTestFinished);
    await fetchInstaller(wheels);
    const index = await openPackageIndex(wheels, `user:${PASSWORD}`);
    onTestFinished(() => index.close());
    const withPassword = (password: string) =>
      testDockerBuilder(dir, parts, {
        indexUrl: `http://user:${password}@127.0.0.1:${index.port}/simple`,
      });
    const builder = withPassword(PASSWORD);
    onTestFinished(() => builder.close());
    const note = `# ${Date.now()}\n`;
    const good = await requestWith(dir, 'private', { 'r.txt': `${note}caliban-fixture\n` });
    const { key, image } = await built({ builder, pass }, good);
    onTestFinished(() => removeImages(parts, [image]));
    expect((await withPassword('other').plan(good))?.key).toBe(key);
    expect(index.asked).toContain('/files/caliban_fixture-1.0-py3-none-any.whl');
    const history = JSON.stringify(await parts.engine.getImage(image).history());
    expect(history).toContain('/opt/caliban/venv');
    expect(history).not.toContain(PASSWORD);
    const saved = await parts.engine.getImage(image).get();
    expect(await occurring(saved, [GREETING_TEXT, PASSWORD])).toEqual([GREETING_TEXT]);
    const bad = await requestWith(dir, 'private-bad', { 'r.txt': `${note}nosuchpkg\n` });
    const failed = await ended({ builder, pass }, bad);
    expect(failed.progress).toMatchObject({ message: expect.stringContaining('nosuchpkg') });
    for (const log of [await wholeLog(builder, key), await wholeLog(builder, failed.key)]) {
      expect(log).toContain('/opt/caliban/venv');
      expect(log).not.toContain(PASSWORD);
    }
    const wrong = withPassword('other');
    onTestFinished(() => wrong.close());
    const again = await requestWith(dir, 'private-no', { 'r.txt': `${note}caliban-fixture\n#\n` });
    const refused = await ended({ builder: wrong, pass }, again);
    expect(refused.progress).toMatchObject({
      state: 'failed',
      hint: expect.stringContaining('index_url'),
      retryable: false,
    });
  });

  test('one more requirement repeats neither the steps before nor the downloads', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, parts, builder, wheels, index, pass } = await opened(onTestFinished);
    await buildFixtureWheel(join(wheels, '..'), 'caliban_other');
    const first = `# ${Date.now()}\n--index-url http://127.0.0.1:${index.port}/simple\ncaliban-fixture\n`;
    const before = await requestWith(dir, 'one', { 'r.txt': first });
    const one = await built({ builder, pass }, before);
    onTestFinished(() => removeImages(parts, [one.image]));
    const askedBefore = index.asked.length;
    const after = await requestWith(dir, 'two', { 'r.txt': `${first}caliban-other\n` });
    const two = await built({ builder, pass }, after);
    onTestFinished(() => removeImages(parts, [two.image]));
    const log = await wholeLog(builder, two.key);
    const [, python] = /^#(\d+) \[.*RUN exec 2>&1;.* python3 -m venv/m.exec(log) ?? [];
    expect(log).toMatch(new RegExp(`^#${python} CACHED$`, 'm'));
    const wheelsAsked = index.asked.slice(askedBefore).filter((path) => path.endsWith('.whl'));
    expect([...new Set(wheelsAsked)]).toEqual(['/files/caliban_other-1.0-py3-none-any.whl']);
    expect(await printedIn(parts, two.image, { command: GREETING })).toBe(`${GREETING_TEXT}\n`);
  });

  test('what cannot be installed is named', async ({ expect, onTestFinished }) => {
    const { dir, builder, index, pass } = await opened(onTestFinished);
    const header = `--index-url http://127.0.0.1:${index.port}/simple\n`;
    const conflict = { 'r.txt': `${header}caliban-fixture==7\n` };
    const cases: readonly (readonly [DependencyRequest, string, string])[] = [
      [{ ...NO_DEPENDENCIES, apt: ['nosuch-package'] }, 'package nosuch-package', 'apt packages'],
      [await requestWith(dir, 'conflict', conflict), 'caliban-fixture==7', 'names and versions'],
      [{ ...NO_DEPENDENCIES, python: '2.7' }, 'has Python 3.', 'another base image'],
    ];
    for (const [request, named, hint] of cases) {
      const { progress } = await ended({ builder, pass }, request);
      expect(progress).toMatchObject({
        state: 'failed',
        message: expect.stringContaining(named),
        hint: expect.stringContaining(hint),
        retryable: false,
      });
    }
  });

  test('a build ends with the service, and the next one makes the image', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, builder, good, index, pass } = await opened(onTestFinished);
    const key = (await builder.plan(good))?.key ?? '';
    const release = index.hold();
    const host = spawn(process.execPath, [HOST, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(host.stdout, 'data');
    while (index.waiting() === 0) await sleep(20);
    expect(await readdir(join(dir, 'builds'))).toContain(`${key}.context`);
    host.kill('SIGKILL');
    await once(host, 'exit');
    while (index.waiting() > 0) await sleep(20); // until the engine has ended it too
    expect(await builder.poll(key, 1)).toEqual({ state: 'absent' });
    release();
    await mkdir(join(dir, 'builds', 'lost.context'));
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(await settled({ builder, pass }, key, 1)).toEqual({ state: 'ready' });
    expect(await readdir(join(dir, 'builds'))).toEqual([`${key}.log`]);
  });

  test('a cancelled build ends in the engine too', async ({ expect, onTestFinished }) => {
    const { builder, good, index, pass } = await opened(onTestFinished);
    const key = (await builder.plan(good))?.key ?? '';
    index.hold();
    await builder.start({ key, attempt: 1, dependencies: good });
    while (index.waiting() === 0) await sleep(20);
    await builder.cancel(key, 1);
    while (index.waiting() > 0) await sleep(20);
    expect(await settled({ builder, pass }, key, 1)).toMatchObject({
      state: 'failed',
      message: 'The build was cancelled.',
      retryable: true,
    });
  });

  test('an image that only has the tag is none of ours', async ({ expect, onTestFinished }) => {
    const { parts, builder, good } = await opened(onTestFinished);
    const { key, image } = { key: '', image: '', ...(await builder.plan(good)) };
    onTestFinished(() => removeImages(parts, [image ?? '']));
    const [repo = '', tag = ''] = (image ?? '').split(':');
    await parts.engine.getImage(TEST_BASE_IMAGE).tag({ repo, tag });
    expect(await builder.plan(good)).toMatchObject({ key, ready: false });
    expect(await builder.poll(key, 1)).toEqual({ state: 'absent' });
  });

  test('one key is built once, however many start it', async ({ expect, onTestFinished }) => {
    const { dir, good, pass } = await opened(onTestFinished);
    const { program, env } = await (await dockerParts()).findCli();
    const calls = join(dir, 'calls');
    await mkdir(join(dir, 'bin'));
    const wrapper = `#!/bin/sh\necho "$1" >> '${calls}'\nexec '${program}' "$@"\n`;
    await writeFile(join(dir, 'bin', 'docker'), wrapper, { mode: 0o755 });
    const counted = await dockerParts(`${join(dir, 'bin')}:${env['PATH']}`);
    await counted.findCli();
    await writeFile(calls, '');
    const builder = testDockerBuilder(dir, counted);
    onTestFinished(() => builder.close());
    const key = (await builder.plan(good))?.key ?? '';
    const starts = Array.from({ length: 5 }, () =>
      builder.start({ key, attempt: 1, dependencies: good }),
    );
    await Promise.all(starts);
    expect(await settled({ builder, pass }, key, 1)).toEqual({ state: 'ready' });
    expect(await readFile(calls, 'utf8')).toBe('build\n');
  });
});

const GREETING_TEXT = 'hello from a wheel';

type Cleanup = (work: () => Promise<void>) => void;
type Running = Pick<ImageBuilderHarness, 'builder' | 'pass'>;

async function opened(onTestFinished: Cleanup) {
  const harness = await open();
  onTestFinished(() => harness.close());
  return harness;
}

async function open() {
  const dir = await temporaryDirectory();
  const parts: DockerParts = await dockerParts();
  await buildFixtureWheel(dir);
  const wheels = join(dir, 'wheels');
  const index = await openPackageIndex(wheels);
  // New for every test: what is built for one must not be there for another.
  const header = `# ${dir}\n--index-url http://127.0.0.1:${index.port}/simple\n`;
  const good = await requestWith(dir, 'good', { 'r.txt': `${header}caliban-fixture==1.0\n` });
  const bad = await requestWith(dir, 'bad', { 'r.txt': `${header}nosuchpkg==9\n` });
  const builder = testDockerBuilder(dir, parts);
  return {
    dir,
    parts,
    wheels,
    index,
    builder,
    good,
    bad,
    failure: {
      message: expect.stringContaining('nosuchpkg was not found in the package registry'),
      hint: expect.stringContaining('names and versions'),
      retryable: false,
    },
    pass: () => sleep(50),
    async close() {
      await builder.close();
      await index.close();
      const plan = await builder.plan(good);
      await removeImages(parts, [plan?.image ?? '']);
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  } satisfies ImageBuilderHarness & Record<string, unknown>;
}

/** How the first attempt at a request ended. */
async function ended({ builder, pass }: Running, request: DependencyRequest) {
  const plan = await builder.plan(request);
  const key = plan?.key ?? '';
  await builder.start({ key, attempt: 1, dependencies: request });
  const progress = await settled({ builder, pass }, key, 1);
  return { key, image: plan?.image ?? '', progress };
}

async function built(running: Running, request: DependencyRequest) {
  const { progress, ...made } = await ended(running, request);
  expect(progress).toEqual({ state: 'ready' });
  return made;
}

async function wholeLog({ readLog }: Running['builder'], key: string): Promise<string> {
  let log = '';
  for (let offset = 0; ; ) {
    const { text, next } = await readLog(key, offset);
    if (text === '') return log;
    log += text;
    offset = next;
  }
}

/** Which of these texts a stream holds. */
async function occurring(stream: NodeJS.ReadableStream, texts: readonly string[]) {
  const longest = Math.max(...texts.map((text) => text.length));
  const found = new Set<string>();
  let before = Buffer.alloc(0);
  for await (const chunk of stream) {
    const bytes = Buffer.concat([before, Buffer.from(chunk)]);
    for (const text of texts) if (bytes.includes(text)) found.add(text);
    before = bytes.subarray(Math.max(0, bytes.length - longest));
  }
  return [...found];
}
