import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { startBuildkitExecutor } from '../../doubles/cloud-build/buildkit-executor.ts';
import type { Executor } from '../../doubles/cloud-build/executor.ts';
import { aDirectory, aFile, aTar } from '../../doubles/tar-builder.ts';
import { type LoopbackRegistry, startRegistry } from '../../fixtures/loopback-registry.ts';
import { hasPart, TEST_BASE_IMAGE, toolsDirectory } from '../../fixtures/require.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { type AskedBuild, openCloudBuild } from './cloud-build-client.ts';

const usable = [hasPart('docker'), hasPart('registry'), hasPart('tools')].every(Boolean);
const IMAGE = 'docker.io/library/docker:28-cli';
const source = { storageSource: { bucket: 'sources', object: 'source.tar.gz', generation: '1' } };

describe.runIf(usable)('builds that are really run', () => {
  const directory = temporaryDirectory();
  let registry: LoopbackRegistry;
  let executor: Executor;

  beforeAll(async () => {
    registry = await startRegistry(directory.path);
    const base = `${registry.host}/base:1`;
    execFileSync('docker', ['tag', TEST_BASE_IMAGE, base]);
    execFileSync('docker', ['push', '--quiet', base], { stdio: 'ignore' });
    execFileSync('docker', ['rmi', base], { stdio: 'ignore' });
    executor = await startBuildkitExecutor({
      tools: toolsDirectory(),
      plainRegistries: [registry.host],
    });
  }, 240_000);

  afterAll(async () => {
    await executor.close();
    await registry.close();
    directory.remove();
  }, 60_000);

  function aSource(): Uint8Array {
    const dockerfile = [
      `FROM ${registry.host}/base:1`,
      'COPY app /app',
      'RUN --mount=type=secret,id=token test "$(cat /run/secrets/token)" = hidden && head -c 16 /dev/urandom >/random',
    ];
    const file = aFile('Dockerfile', `${dockerfile.join('\n')}\n`);
    return gzipSync(aTar(file, aDirectory('app'), aFile('app/main.py', 'print(1)\n')));
  }

  async function openRunning(t: Parameters<typeof openCloudBuild>[0]) {
    const logs = new Map<string, string>();
    const bytes = aSource();
    const opened = await openCloudBuild(t, {
      executor,
      secrets: { 'projects/p/secrets/token/versions/1': 'hidden' },
      getObject: async () => ({ bytes, generation: '1' }),
      putObject: async (bucket, name, log) => {
        logs.set(`${bucket}/${name}`, new TextDecoder().decode(log));
      },
    });
    const run = async (build: AskedBuild) => {
      const id = await opened.create({ source, logsBucket: 'gs://logs', ...build });
      const ended = await opened.builds.finished(id);
      return { ...ended, log: logs.get(`logs/log-${id}.txt`) ?? '' };
    };
    return { ...opened, run };
  }

  /** A step of a script. */
  const script = (...lines: readonly string[]): AskedBuild => ({
    steps: [{ name: IMAGE, script: lines.join('\n') }],
  });

  test('an image is built and pushed; the next build finds its layers in the registry only', async (t) => {
    const { run } = await openRunning(t);
    const cache = `type=registry,ref=${registry.host}/cache/app`;
    const build = (tag: string): AskedBuild => ({
      steps: [
        {
          name: IMAGE,
          entrypoint: 'sh',
          args: [
            '-euc',
            [
              'docker buildx create --name builder --driver docker-container --driver-opt network=host --use',
              `docker buildx build --push --tag ${registry.host}/app:${tag} --metadata-file /workspace/metadata.json \\`,
              `  --secret id=token,env=TOKEN --cache-from ${cache} --cache-to ${cache},mode=max .`,
              'cat /workspace/metadata.json > "$$BUILDER_OUTPUT/output"',
            ].join('\n'),
          ],
          secretEnv: ['TOKEN'],
        },
      ],
      availableSecrets: {
        secretManager: [{ versionName: 'projects/p/secrets/token/versions/1', env: 'TOKEN' }],
      },
    });
    const layers: unknown[] = [];
    for (const tag of ['first', 'second']) {
      const ended = await run(build(tag));
      t.expect(ended.log).toContain('DONE\n');
      t.expect(ended.status).toBe('SUCCESS');
      const [output] = ended.results?.buildStepOutputs ?? [];
      const digest: string = JSON.parse(String(output))['containerimage.digest'];
      const index = await manifest('app', tag);
      t.expect(index.digest).toBe(digest);
      const [image] = index.body.manifests;
      layers.push((await manifest('app', image.digest)).body.layers);
      t.expect(ended.log.includes('CACHED')).toBe(tag === 'second');
    }
    // The random file is of the first build: it was never made again.
    t.expect(layers[1]).toEqual(layers[0]);
  }, 120_000);

  async function manifest(name: string, reference: string) {
    const accept = [
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.oci.image.manifest.v1+json',
    ].join(', ');
    const url = `http://${registry.host}/v2/${name}/manifests/${reference}`;
    const answer = await fetch(url, { headers: { accept } });
    const body = (await answer.json()) as {
      readonly manifests: [{ readonly digest: string }];
      readonly layers: unknown;
    };
    return { digest: answer.headers.get('docker-content-digest'), body };
  }

  test('a Dockerfile that fails fails the build, with its output in the log', async (t) => {
    const { run } = await openRunning(t);
    const ended = await run(
      script(
        'set -eu',
        'docker buildx create --name b --use >/dev/null',
        `printf 'FROM ${registry.host}/base:1\\nRUN echo to be seen && exit 9\\n' >Dockerfile`,
        'docker buildx build --progress plain .',
      ),
    );
    t.expect(ended).toMatchObject({
      status: 'FAILURE',
      failureInfo: { type: 'USER_BUILD_STEP' },
      statusDetail: `build step 0 "${IMAGE}" failed: step exited with non-zero status: 1`,
    });
    t.expect(ended.log).toMatch(/to be seen[\s\S]*exit code: 9/);
  }, 60_000);

  test('a step sees its workspace, its home, docker and POSIX commands; not this machine', async (t) => {
    const { run } = await openRunning(t);
    const ended = await run({
      steps: [
        {
          name: IMAGE,
          script: 'pwd; ls; echo "$HOME $BUILDER_OUTPUT $SHARED $OWN"; echo kept >"$HOME/kept"',
          env: ['OWN=own'],
        },
        {
          name: IMAGE,
          dir: 'app',
          entrypoint: 'sh',
          args: [
            '-c',
            'pwd; cat "$$HOME/kept"; ls /tmp /home 2>&1; docker --version; docker ps; echo $?'.replace(
              '$?',
              '$$?',
            ),
          ],
        },
      ],
      options: { env: ['SHARED=shared', 'OWN=global'] },
    });
    const [first, second] = [0, 1].map((step) =>
      ended.log
        .split('\n')
        .filter((line) => line.startsWith(`Step #${step}: `))
        .map((line) => line.slice('Step #0: '.length)),
    );
    t.expect(first).toEqual([
      `Pulling image: ${IMAGE}`,
      '/workspace',
      'Dockerfile',
      'app',
      '/builder/home /builder/outputs shared own',
    ]);
    t.expect(second?.slice(1, 3)).toEqual(['/workspace/app', 'kept']);
    t.expect(second?.join('\n')).toMatch(/\/home.*No such file/);
    t.expect(second?.join('\n')).toMatch(/needs a Docker engine[\s\S]*\n125$/);
  });

  test.for<[string, AskedStep, number]>([
    ['bash', { script: '#!/usr/bin/env bash\ntrue' }, 127],
    ['the bash of a fixed path', { script: '#!/bin/bash\ntrue' }, 126],
    ['an entry point that is not there', { entrypoint: 'python3' }, 127],
    ['another driver', { args: ['buildx', 'create', '--driver', 'kubernetes'] }, 1],
    ['an exit code', { args: ['sh', '-c', 'exit 42'] }, 42],
  ])('%s fails the step', async ([, step, exitCode], t) => {
    const { run } = await openRunning(t);
    const ended = await run({ steps: [{ name: IMAGE, ...step }] });
    t.expect(ended).toMatchObject({ status: 'FAILURE', steps: [{ exitCode }] });
  });

  test('an image that cannot be had, a source that is no archive, an image no step has built', async (t) => {
    const { run } = await openRunning(t);
    const unknown = await run({ steps: [{ name: 'gcr.io/unknown/step' }] });
    t.expect(unknown.statusDetail).toContain('error pulling build step 0 "gcr.io/unknown/step"');
    const zip = { storageSource: { ...source.storageSource, object: 'source.zip' } };
    t.expect(await run({ ...script('true'), source: zip })).toMatchObject({
      status: 'FAILURE',
      failureInfo: { type: 'FETCH_SOURCE_FAILED' },
    });
    t.expect(await run({ ...script('true'), images: ['x/y'] })).toMatchObject({
      status: 'FAILURE',
      failureInfo: { type: 'PUSH_IMAGE_NOT_FOUND' },
    });
  });

  test('the end of a build ends its processes', async (t) => {
    const { run, create, builds, client } = await openRunning(t);
    const mark = '86399.25';
    const late = await run({ ...script(`sleep ${mark} & wait`), timeout: { seconds: 1 } });
    t.expect(late).toMatchObject({ status: 'TIMEOUT', steps: [{ status: 'TIMEOUT' }] });
    t.expect(late.log).toContain('ERROR: context deadline exceeded');
    t.expect(sleepers(mark)).toBe(0);
    const id = await create(script(`setsid sleep ${mark} & wait`));
    await t.expect.poll(() => sleepers(mark)).toBeGreaterThan(0);
    const name = builds.find(id)?.build.name ?? '';
    await client.cancelBuild({ name });
    t.expect((await builds.finished(id)).status).toBe('CANCELLED');
    t.expect(sleepers(mark)).toBe(0);
  });

  test('nothing is left when it ends', async (t) => {
    const before = readdirSync(tmpdir());
    const own = await startBuildkitExecutor({ tools: toolsDirectory(), plainRegistries: [] });
    const made = readdirSync(tmpdir()).filter((name) => !before.includes(name));
    const [dir] = made.filter((name) => name.startsWith('cloud-build-'));
    t.expect(dir).toBeDefined();
    await own.close();
    t.expect(readdirSync(tmpdir())).not.toContain(dir);
    t.expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(dir);
  });
});

type AskedStep = NonNullable<AskedBuild['steps']>[number];

/** Processes `sleep mark` of this machine. */
function sleepers(mark: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${mark}\0`;
    } catch {
      return false;
    }
  }).length;
}
