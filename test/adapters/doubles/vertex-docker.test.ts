import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import loggingLibrary from '@google-cloud/logging';
import { describe, type TestContext, test } from 'vitest';
import { JOB_LABEL } from '../../doubles/vertex/container-options.ts';
import {
  type DockerExecutorOptions,
  dockerExecutor,
} from '../../doubles/vertex/docker-executor.ts';
import { startRegistry } from '../../fixtures/loopback-registry.ts';
import { hasPart, TEST_BASE_IMAGE } from '../../fixtures/require.ts';
import { clientOptionsFor } from './google-client.ts';
import { newJob, openedVertex } from './vertex-client.ts';

const run = promisify(execFile);
const docker = async (...args: string[]) => (await run('docker', args)).stdout.trim();

/** A Vertex AI whose jobs are containers of the base image, and a reader of the log. */
async function opened(t: TestContext, options: DockerExecutorOptions = {}) {
  const executor = dockerExecutor({ pull: 'if-missing', stopSeconds: 1, ...options });
  const vertex = await openedVertex(t, { executor });
  const logging = new loggingLibrary.Logging(clientOptionsFor(vertex.api, t));
  const script = (text: string, more: object = {}) => {
    const container = { imageUri: TEST_BASE_IMAGE, command: ['sh', '-c', text], ...more };
    return vertex.create(newJob({}, { container }));
  };
  const state = async (name: string) => (await vertex.get(name)).state;
  const ended = (name: string, expected: string) =>
    t.expect.poll(() => state(name), { timeout: 60_000, interval: 50 }).toBe(expected);
  const lines = async (name: string) => {
    const filter = `resource.type="ml_job" AND resource.labels.job_id="${name.split('/').at(-1)}" AND resource.labels.task_name="workerpool0-0"`;
    const [entries] = await logging.getEntries({
      filter,
      orderBy: 'timestamp asc',
      autoPaginate: false,
    });
    return entries.map(({ data, metadata }) => `${metadata.severity} ${data.message}`);
  };
  return { ...vertex, script, ended, lines, state };
}

const ofJob = (name: string | null | undefined) =>
  docker('ps', '-aq', '--filter', `label=${JOB_LABEL}=${name}`);

/** Makes a small image that can only say something: the program of the base image, and its libraries. */
async function importEcho(tag: string): Promise<void> {
  const files = 'tar -ch /bin/echo $(ldd /bin/echo | grep -o "/[^ ]*")';
  const change = 'ENTRYPOINT ["/bin/echo", "from the image"]';
  const script = `docker run --rm "$1" sh -c '${files}' | docker import --change "$2" - "$3"`;
  await run('sh', ['-c', script, 'sh', TEST_BASE_IMAGE, change, tag]);
}

describe.runIf(hasPart('docker'))('jobs in containers', () => {
  test('command, arguments and variables arrive; output is in the log, line by line', async (t) => {
    const { script, ended, lines } = await opened(t);
    const env = [{ name: 'NAME', value: 'a b' }];
    const { name } = await script('echo "$NAME $0"; echo; echo wrong >&2', { args: ['x'], env });
    await ended(name ?? '', 'JOB_STATE_SUCCEEDED');
    t.expect((await lines(name ?? '')).toSorted()).toEqual(['ERROR wrong', 'INFO ', 'INFO a b x']);
    t.expect(await ofJob(name)).toBe('');
  });

  test('an exit code other than 0 is a failure that names it', async (t) => {
    const { script, ended, get } = await opened(t);
    const { name } = await script('exit 3');
    await ended(name ?? '', 'JOB_STATE_FAILED');
    const message = t.expect.stringContaining('exited with a non-zero status of 3.');
    t.expect(await get(name ?? '')).toMatchObject({ error: { message } });
  });

  test('cancelling stops the container', async (t) => {
    const { script, ended, cancel, lines } = await opened(t);
    const { name } = await script('trap "echo stopping; exit 1" TERM; echo on; sleep 600 & wait');
    await t.expect.poll(() => lines(name ?? ''), { interval: 100 }).toEqual(['INFO on']);
    await cancel(name ?? '');
    await ended(name ?? '', 'JOB_STATE_CANCELLED');
    t.expect(await lines(name ?? '')).toEqual(['INFO on', 'INFO stopping']);
    t.expect(await ofJob(name)).toBe('');
  });

  test('an image that is not there is a failure that says so', async (t) => {
    const { script, ended, get } = await opened(t, { pull: 'always' });
    const { name } = await script('true', { imageUri: '127.0.0.1:1/none:1' });
    await ended(name ?? '', 'JOB_STATE_FAILED');
    const message = t.expect.stringContaining('Failed to pull image "127.0.0.1:1/none:1"');
    t.expect(await get(name ?? '')).toMatchObject({ error: { message } });
  });

  test('no more containers run than are allowed, and the end of the double removes them', async (t) => {
    const { api, script, state } = await opened(t, { concurrency: 1 });
    const first = await script('sleep 600');
    const second = await script('sleep 600');
    await t.expect.poll(() => state(first.name ?? '')).toBe('JOB_STATE_RUNNING');
    t.expect(await state(second.name ?? '')).toBe('JOB_STATE_PENDING');
    t.expect(await ofJob(first.name)).not.toBe('');
    await api.close();
    t.expect(await ofJob(first.name)).toBe('');
    t.expect(await ofJob(second.name)).toBe('');
  });

  test.runIf(hasPart('registry'))('the image comes from its registry, by digest', async (t) => {
    const { digest } = await pushedEcho(t);
    const { api, create, ended, lines } = await opened(t, { pull: 'always' });
    const container = { imageUri: digest, args: ['and', 'me'] };
    const { name } = await create(newJob({}, { container }));
    await ended(name ?? '', 'JOB_STATE_SUCCEEDED');
    t.expect(await lines(name ?? '')).toEqual(['INFO from the image and me']);
    t.expect(await docker('images', '-q', digest)).not.toBe('');
    await api.close();
    t.expect(await docker('images', '-q', digest), 'what was pulled is removed').toBe('');
  });

  test.runIf(hasPart('registry'))('an image that was there before the pull stays', async (t) => {
    const { tag } = await pushedEcho(t);
    await docker('pull', '--quiet', tag);
    t.onTestFinished(async () => void (await docker('rmi', tag)));
    const { api, create, ended } = await opened(t, { pull: 'always' });
    const { name } = await create(newJob({}, { container: { imageUri: tag } }));
    await ended(name ?? '', 'JOB_STATE_SUCCEEDED');
    await api.close();
    t.expect(await docker('images', '-q', tag)).not.toBe('');
  });
});

/** A small image in a registry of the test's own; the engine has it no more. */
async function pushedEcho(t: TestContext): Promise<{ tag: string; digest: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'vertex-double-'));
  t.onTestFinished(() => rm(dir, { recursive: true }));
  const registry = await startRegistry(dir);
  t.onTestFinished(registry.close);
  const tag = `${registry.host}/vertex-double/image:1`;
  await importEcho(tag);
  await docker('push', '--quiet', tag);
  const digest = await docker('inspect', '--format', '{{index .RepoDigests 0}}', tag);
  await docker('rmi', tag);
  return { tag, digest };
}
