import { describe, test } from 'vitest';
import { accept } from '../../../../../functions/core/accept.ts';
import { submissionDigest } from '../../../../../functions/core/submission-digest.ts';
import type { Collection } from '../../../../../functions/ports/documents.ts';
import { type Key, put } from '../../../../../functions/ports/store.ts';
import type { SubmissionSpec } from '../../../../../shared/api/submissions.ts';
import { aSpec } from '../../../../doubles/a-spec.ts';
import { aPrincipal, coreDeps, type TestDeps } from '../../../../doubles/builders.ts';
import { checkAll } from '../../../../doubles/checked.ts';
import {
  changed,
  deliver,
  jobsNow,
  stored,
  submissionNow,
} from '../../../../doubles/store-access.ts';

const CONFIG = '{"lr": [0.1, 1e-05], "big": [true, "é"]}';

describe('what was accepted', () => {
  test('is sound where another submission says the same in other words', async ({ expect }) => {
    const deps = coreDeps();
    await expanded(deps, 'first', { config: CONFIG, labels: { team: 'a' } });
    await deps.clock.advance(5_000);
    await expanded(deps, 'second', {
      config: '{"big": [true, "é", true], "lr": [1e-05, 0.1]}',
      labels: { team: 'b' },
      source: { path: '~/elsewhere', extraDirs: ['data'] },
    });
    const jobs = await jobsNow(deps);
    expect(jobs).toHaveLength(4 + 6);
    expect(new Set(jobs.map(({ experimentId }) => experimentId)).size).toBe(4);
    expect((await checkAll(deps)).differences).toEqual([]);
  });

  test('is sound in a store that gives keys back in another order', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 2 });
    const labels = { team: 'a', about: 'z' };
    const { id } = await expanded(deps, 'first', { config: CONFIG, labels });
    for (const key of await keysOf(deps, id)) {
      const { value } = await stored(deps, key.collection, key.id);
      await deps.store.commit([put<Collection>(key, withKeysTurned(value))]);
    }
    expect(Object.keys((await submissionNow(deps, id)).labels)).toEqual(['about', 'team']);
    expect((await checkAll(deps)).differences).toEqual([]);
  });

  test('tells five things of a chunk, and how many more there are', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 100 });
    const config = `{"n": [${Array.from({ length: 50 }, (_, n) => n).join(', ')}]}`;
    const { id } = await expanded(deps, 'first', { config });
    for (const { id: jobId } of await jobsNow(deps)) {
      await changed(deps, { collection: 'jobs', id: jobId }, { flags: ['--n', 'x'] });
    }
    const { differences } = await checkAll(deps);
    expect(differences.map(({ subject }) => subject)).toEqual(
      ['00', '01', '02', '03', '04'].map((index) => `job ${id}-${index}`),
    );
    expect(differences[0]).toMatchObject({
      found: 'flags ["--n","x"] (and 45 more of its chunk differ)',
      expected: 'flags ["--n","0"], as its submission and the config say',
    });
  });

  test('is read anew for the second look', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await expanded(deps, 'first', { config: CONFIG });
    const config = await stored(deps, 'configs', `${id}-0`);
    await deps.store.commit([put(config.key, { ...config.value, text: '{"lr": [1, 2, 3, 4]}' })]);
    const repaired = deps.clock.sleep;
    deps.clock.sleep = async (ms, signal) => {
      await deps.store.commit([put(config.key, config.value)]);
      return repaired(ms, signal);
    };
    const pauses = checkAll(deps, { pauseMs: 1 });
    await deps.clock.advance(1);
    expect((await pauses).differences).toEqual([]);
  });

  test('has another digest whatever lasting part of it changes, and the same all its life', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const { id } = await expanded(deps, 'first', { config: CONFIG });
    const { digest, ...submission } = await submissionNow(deps, id);
    expect(submissionDigest(submission)).toBe(digest);
    const same = Object.entries(submission)
      .filter(([name]) => submissionDigest({ ...submission, [name]: 'other' }) === digest)
      .map(([name]) => name);
    expect(same.toSorted()).toEqual([
      'buildId',
      'ending',
      'endingCause',
      'endingState',
      'expanded',
      'imageState',
      'imageWait',
      'openLane',
      'run',
      'schemaVersion',
      'stopRequestedAt',
    ]);
  });
});

async function expanded(deps: TestDeps, key: string, changes: Partial<SubmissionSpec>) {
  const request = { principal: aPrincipal(), idempotencyKey: key, spec: aSpec(changes) };
  const submission = await accept(deps, request);
  await deliver(deps, 'expand', 'image');
  return submission;
}

async function keysOf(deps: TestDeps, submissionId: string): Promise<Key[]> {
  const jobs = await jobsNow(deps);
  return [
    { collection: 'submissions', id: submissionId },
    ...jobs.map(({ id }): Key => ({ collection: 'jobs', id })),
    ...jobs.map(({ experimentId: id }): Key => ({ collection: 'experiments', id })),
  ];
}

function withKeysTurned<T>(value: T): T {
  const turned = (_key: string, part: unknown) =>
    part === null || typeof part !== 'object' || Array.isArray(part)
      ? part
      : Object.fromEntries(Object.entries(part).reverse());
  return JSON.parse(JSON.stringify(value, turned));
}
