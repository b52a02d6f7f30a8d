import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, type TestContext, test } from 'vitest';
import type { DockerCli } from '../../../../../../../functions/adapters/local/docker/engine/docker-cli.ts';
import { createBaseResolver } from '../../../../../../../functions/adapters/local/docker/images/base-image.ts';
import { createDockerBuilder } from '../../../../../../../functions/adapters/local/docker/images/image-builder.ts';
import { NO_DEPENDENCIES } from '../../../../../../contract/image-builder.ts';
import { SILENT_LOG } from '../../../../../../doubles/logs.ts';
import { openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';
import { systemClock } from '../../../../../../fixtures/system-clock.ts';

const DIGEST = `sha256:${'d'.repeat(64)}`;
const PASSWORD = 'pa55-of-the-index';
/** Prints what it was given, and what others may do with the last word, a file or directory. */
const DOCKER = `#!/bin/sh
for last; do :; done
echo "$1 [$CALIBAN_INDEX_URL] $(ls -ld "$last" 2>/dev/null | cut -c1-10)" >> "$CALLS"
`;

describe('builds of dependency images', () => {
  test('run two at a time', async ({ expect, onTestFinished }) => {
    const asked: ((cli: Error) => void)[] = [];
    let isOver = false;
    const findCli = () =>
      new Promise<DockerCli>((_, reject) => {
        asked.push(reject);
        if (isOver) reject(new Error('the test is over'));
      });
    const { start, builder } = await opened(onTestFinished, { findCli });
    onTestFinished(() => {
      isOver = true;
      for (const end of asked) end(new Error('the test is over'));
    });
    for (const apt of ['ant', 'bat', 'cat', 'dog']) await start(apt);
    await until(() => asked.length === 2);
    // A third would have come by the time of these: it asks the engine no more than they do.
    for (const apt of ['ant', 'bat', 'cat', 'dog'])
      await builder.plan({ ...NO_DEPENDENCIES, apt: [apt] });
    expect(asked).toHaveLength(2);
    asked[0]?.(new Error('no docker'));
    await until(() => asked.length === 3);
  });

  test('give the index and its password to the build alone, and the context to no other user', async ({
    expect,
    onTestFinished,
  }) => {
    const { start, builder, dir, fake } = await opened(onTestFinished, { isLocal: false });
    const key = await start('ant');
    await until(async () => (await builder.poll(key, 1)).state === 'failed');
    const index = `https://u:${PASSWORD}@packages.example/simple`;
    const calls = readFileSync(join(fake.dir, 'calls'), 'utf8');
    expect(calls).toBe(`pull [] \nbuild [${index}] drwx------\n`);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, `${key}.log`)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dir, `${key}.log`), 'utf8')).not.toContain(PASSWORD);
  });

  test('whose engine goes away have not failed', async ({ expect, onTestFinished }) => {
    const findCli = async () => {
      await fake.close();
      return { program: '/bin/false', env: {} };
    };
    const { start, builder, fake } = await opened(onTestFinished, { findCli });
    const key = await start('ant');
    const outcome = async () => {
      for (;;) {
        const { state } = await builder.poll(key, 1);
        if (state !== 'building') return state;
        await turn();
      }
    };
    await expect(outcome()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

type Cleanup = TestContext['onTestFinished'];

/** A builder over an engine without the images, with a base that is there or in a registry only. */
async function opened(
  onTestFinished: Cleanup,
  options: { readonly findCli?: () => Promise<DockerCli>; readonly isLocal?: boolean },
) {
  const fake = await openFakeEngine(onTestFinished);
  fake.answers.set('GET /version', [200, { Os: 'linux', Arch: 'amd64' }]);
  const RepoDigests = [`base@${DIGEST}`];
  if (options.isLocal === false) {
    fake.answers.set('GET /distribution/base:1/json', [200, { Descriptor: { digest: DIGEST } }]);
    fake.answers.set(`POST /images/base@${DIGEST}/tag?repo=base&tag=1`, [201, {}]);
  } else fake.answers.set('GET /images/base:1/json', [200, { Id: DIGEST, RepoDigests }]);
  const program = join(fake.dir, 'docker');
  writeFileSync(program, DOCKER, { mode: 0o755 });
  const dir = join(fake.dir, 'images');
  mkdirSync(dir);
  chmodSync(dir, 0o755);
  const env = { PATH: '/usr/bin:/bin', CALLS: join(fake.dir, 'calls') };
  const builder = createDockerBuilder({
    ...{ dir, network: null, clock: systemClock, log: SILENT_LOG, engine: fake.engine },
    findCli: options.findCli ?? (async () => ({ program, env })),
    resolveBase: createBaseResolver({ engine: fake.engine, clock: systemClock }),
    readLayerFile: async () => undefined,
    settings: {
      baseImages: 'base:1',
      caBundle: null,
      indexUrl: `https://u:${PASSWORD}@packages.example/simple`,
    },
  });
  onTestFinished(() => builder.close());
  const start = async (apt: string): Promise<string> => {
    const dependencies = { ...NO_DEPENDENCIES, apt: [apt] };
    const key = (await builder.plan(dependencies))?.key ?? '';
    await builder.start({ key, attempt: 1, dependencies });
    return key;
  };
  return { fake, dir, builder, start };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await turn();
}
