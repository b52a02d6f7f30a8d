import { describe, test } from 'vitest';
import {
  choosePlatform,
  laneOf,
  livingPlatform,
  type PlatformWish,
} from '../../../../functions/embedded/platform-choice.ts';
import { aJob, aSubmission, coreDeps } from '../../../doubles/builders.ts';
import { saved } from '../../../doubles/store-access.ts';

const NO_DOCKER = { usable: false, reason: 'no engine answers at /var/run/docker.sock.' } as const;

describe('where jobs run', () => {
  test('in Docker when it can be used', async ({ expect }) => {
    expect(await choosePlatform(aWish({}))).toEqual({ platform: 'docker', note: null });
  });

  test('as processes when it cannot, with one line that says why', async ({ expect }) => {
    const choice = await choosePlatform(aWish({ probe: async () => NO_DOCKER }));
    expect(choice.platform).toBe('process');
    expect(choice.note).toBe(
      'Jobs run as processes, because Docker cannot be used: no engine answers at /var/run/docker.sock.',
    );
  });

  test('as processes when that was asked for; Docker is not even looked for', async ({
    expect,
  }) => {
    const probe = () => Promise.reject(new Error('looked'));
    const choice = await choosePlatform(aWish({ asked: 'process', probe }));
    expect(choice).toEqual({ platform: 'process', note: null });
  });

  test('where jobs of the directory live, whatever could be had besides', async ({ expect }) => {
    const choice = await choosePlatform(aWish({ living: 'process' }));
    expect(choice.platform).toBe('process');
    expect(choice.note).toContain('jobs of this directory live on process');
  });
});

describe('what cannot be had is refused', () => {
  test.for([
    [{ asked: 'docker', probe: async () => NO_DOCKER }, '--platform process'],
    [{ living: 'docker', probe: async () => NO_DOCKER }, '--data_dir'],
    [{ asked: 'process', living: 'docker' }, 'until they have ended'],
    [{ asked: 'docker', living: 'process' }, 'until they have ended'],
    [{ asked: 'process', onlyDocker: ['--job_memory'] }, 'Leave it out'],
    [{ onlyDocker: ['--job_memory'], probe: async () => NO_DOCKER }, 'Leave it out'],
  ] as const)('%j', async ([changes, hint], { expect }) => {
    await expect(choosePlatform(aWish(changes))).rejects.toMatchObject({
      code: 'SERVE_REFUSED',
      hint: expect.stringContaining(hint),
    });
  });

  test('a limit that would not be kept is named with the reason', async ({ expect }) => {
    const wish = aWish({
      onlyDocker: ['--job_memory', '--job_cpus'],
      probe: async () => NO_DOCKER,
    });
    await expect(choosePlatform(wish)).rejects.toThrow(
      '--job_memory and --job_cpus would have no effect on plain processes; Docker cannot be used: no engine answers at /var/run/docker.sock.',
    );
  });
});

describe('where jobs of a directory live', () => {
  test('nowhere, when all have ended', async ({ expect }) => {
    const deps = coreDeps();
    await saved(deps, 'jobs', aJob({ lane: laneOf('docker', 1).id, state: 'SUCCEEDED' }));
    expect(await livingPlatform(deps.store)).toBeNull();
  });

  test.for(['QUEUED', 'SUBMITTING', 'SUBMITTED', 'RUNNING'] as const)(
    'on the lane that has a %s one',
    async (state, { expect }) => {
      const deps = coreDeps();
      await saved(deps, 'jobs', aJob({ lane: laneOf('docker', 1).id, state }));
      expect(await livingPlatform(deps.store)).toBe('docker');
    },
  );

  test('on the lane of a submission that waits for its image', async ({ expect }) => {
    const deps = coreDeps();
    const waiting = { imageState: 'waiting', run: null, lane: laneOf('process', 1).id } as const;
    await saved(deps, 'submissions', aSubmission(waiting));
    expect(await livingPlatform(deps.store)).toBe('process');
  });
});

function aWish(changes: Partial<PlatformWish>): PlatformWish {
  return {
    asked: null,
    onlyDocker: [],
    living: null,
    probe: async () => ({ usable: true }),
    ...changes,
  };
}
