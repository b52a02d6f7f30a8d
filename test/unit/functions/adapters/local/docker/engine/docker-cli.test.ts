import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { createDockerCliFinder } from '../../../../../../../functions/adapters/local/docker/engine/docker-cli.ts';
import { temporaryDirectory } from '../../../../../../adapters/temporary-directory.ts';

// As an old `docker`, or one with buildx: `build --progress=plain --output type=local,dest=OUT CONTEXT`.
const GOOD = 'IFS=,=; set -- $4 $5; mkdir "$4" && cp "$5/Dockerfile" "$4"';
const BROKEN =
  'echo "#1 noise" >&2; echo >&2; echo "ERROR: BuildKit is enabled but the buildx component is missing" >&2; exit 1';

describe('createDockerCliFinder', () => {
  test('the first docker that really builds is taken, and remembered', async ({
    expect,
    onTestFinished,
  }) => {
    const { add, find, calls } = opened(onTestFinished);
    add('broken', BROKEN);
    add('idle', 'exit 0');
    const good = add('good', GOOD);
    add('later', GOOD);
    const found = await find();
    expect(found).toEqual({
      program: good,
      env: expect.objectContaining({
        DOCKER_HOST: 'unix:///engine.sock',
        DOCKER_BUILDKIT: '1',
        DOCKER_CONFIG: '/logins',
      }),
    });
    expect(Object.keys(found.env)).not.toContain('DOCKER_CONTEXT');
    expect(Object.keys(found.env)).not.toContain('CALIBAN_TOKEN');
    expect(await find()).toBe(found);
    expect(calls()).toEqual(['broken', 'idle', 'good']);
  });

  test('without one, each is named with what it said, and looked for again', async ({
    expect,
    onTestFinished,
  }) => {
    const { add, find } = opened(onTestFinished);
    const broken = add('broken', BROKEN);
    const idle = add('idle', 'exit 0');
    await expect(find()).rejects.toMatchObject({
      code: 'DOCKER_UNUSABLE',
      message: `No docker program here can build images: ${broken}: ERROR: BuildKit is enabled but the buildx component is missing; ${idle}: it built nothing.`,
      hint: expect.stringContaining('buildx'),
    });
    const good = add('good', GOOD);
    expect(await find()).toMatchObject({ program: good });
  });

  test('one program with several names is asked once; none at all is said', async ({
    expect,
    onTestFinished,
  }) => {
    const { add, find, calls, dir } = opened(onTestFinished);
    await expect(find()).rejects.toThrow(/there is no program docker on the PATH/);
    const broken = add('broken', BROKEN);
    mkdirSync(join(dir, 'idle'), { recursive: true });
    symlinkSync(broken, join(dir, 'idle', 'docker'));
    await expect(find()).rejects.toMatchObject({ code: 'DOCKER_UNUSABLE' });
    expect(calls()).toEqual(['broken']);
  });
});

function opened(onTestFinished: (work: () => void) => void) {
  const { path: dir, remove } = temporaryDirectory();
  onTestFinished(remove);
  const log = join(dir, 'calls');
  // Of the machine's own programs only those that the fakes need: it may have a `docker`.
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  for (const name of ['mkdir', 'cp']) symlinkSync(`/bin/${name}`, join(bin, name));
  const places = ['broken', 'idle', 'good', 'later'].map((name) => join(dir, name));
  const find = createDockerCliFinder({
    environment: {
      PATH: [...places, 'relative', bin].join(':'),
      DOCKER_CONFIG: '/logins',
      DOCKER_CONTEXT: 'elsewhere',
      CALIBAN_TOKEN: 'secret',
    },
    host: 'unix:///engine.sock',
  });
  return {
    dir,
    find,
    add(name: string, script: string): string {
      const program = join(dir, name, 'docker');
      rmSync(join(dir, name), { recursive: true, force: true });
      mkdirSync(join(dir, name));
      writeFileSync(program, `#!/bin/sh\necho ${name} >> '${log}'\n${script}\n`, { mode: 0o755 });
      return program;
    },
    calls: () => readFileSync(log, 'utf8').trim().split('\n'),
  };
}
