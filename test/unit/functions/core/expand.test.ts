import fc from 'fast-check';
import { describe, test } from 'vitest';
import { consume } from '../../../../functions/consumers/consume.ts';
import { accept } from '../../../../functions/core/accept.ts';
import { countsOf } from '../../../../functions/core/counts.ts';
import { endSubmission, requestEnding, stopEnding } from '../../../../functions/core/ending.ts';
import { expandChunk, repairExpansion } from '../../../../functions/core/expand.ts';
import type { SubmissionDoc } from '../../../../functions/ports/documents.ts';
import type { SubmissionSpec } from '../../../../shared/api/submissions.ts';
import { aSpec } from '../../../doubles/a-spec.ts';
import { aPrincipal, coreDeps, type TestDeps } from '../../../doubles/builders.ts';
import {
  beforeCommit,
  deliver,
  jobsNow,
  submissionNow,
  writesTo,
} from '../../../doubles/store-access.ts';

const FAILED = {
  state: 'FAILED',
  cause: { code: 'image-failed', message: 'No torch 99.' },
} as const;

describe('expand', () => {
  test('one message fans out to every chunk, each exactly once, whatever their number', async () => {
    const sizes = fc.record({
      count: fc.integer({ min: 1, max: 120 }),
      chunkSize: fc.integer({ min: 1, max: 13 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ count, chunkSize }) => {
        const deps = coreDeps({ chunkSize });
        const { id } = await sweep(deps, count);
        await deliver(deps, 'expand');
        const jobs = await jobsNow(deps);
        const chunks = await deps.store.count('chunksOfSubmission', { submissionId: id });
        const { expanded } = await submissionNow(deps, id);
        return (
          expanded &&
          chunks === Math.ceil(count / chunkSize) &&
          jobs.length === count &&
          jobs.every(({ index, flags }, at) => index === at && flags[1] === String(at))
        );
      }),
      { numRuns: 40 },
    );
  });

  test('the first chunk hands on one of each strand, any other the next of its own', async ({
    expect,
  }) => {
    const deps = coreDeps({ chunkSize: 1 });
    const { id } = await sweep(deps, 40);
    const chunksAfter = async (chunk: number) => {
      deps.queue.take();
      await expandChunk(deps, { submissionId: id, chunk });
      return deps.queue.take().flatMap((sent) => (sent.kind === 'expand' ? [sent.chunk] : []));
    };
    expect(await chunksAfter(0)).toEqual(Array.from({ length: 16 }, (_, at) => at + 1));
    expect(await chunksAfter(3)).toEqual([19]);
    expect(await chunksAfter(39)).toEqual([]);
  });

  test('of two sweeps each has its turn: the small one does not wait for the large one', async ({
    expect,
  }) => {
    const deps = coreDeps({ chunkSize: 1 });
    const large = await sweep(deps, 200);
    const queue = deps.queue.take().filter(({ kind }) => kind === 'expand');
    let handled = 0;
    let small: SubmissionDoc | undefined;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await consume(deps, next);
      queue.push(...deps.queue.take().filter(({ kind }) => kind === 'expand'));
      handled += 1;
      expect(queue.length).toBeLessThanOrEqual(32);
      if (handled === 50) {
        small = await sweep(deps, 3, 'small');
        queue.push(...deps.queue.take().filter(({ kind }) => kind === 'expand'));
      }
      if (handled === 50 + 3 * 18) {
        expect((await submissionNow(deps, small?.id ?? '')).expanded).toBe(true);
        expect((await submissionNow(deps, large.id)).expanded).toBe(false);
      }
    }
    expect((await submissionNow(deps, large.id)).expanded).toBe(true);
  });

  test('jobs, their experiments and what follows are of one commit', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 1 });
    const { id } = await sweep(deps, 20);
    await expandChunk(deps, { submissionId: id, chunk: 3 });
    const commit = deps.commits.find(writesTo('jobs')) ?? [];
    expect(commit.map(({ key }) => key.collection).sort()).toEqual([
      'chunks',
      'experiments',
      'jobs',
      'outbox',
      'outbox',
    ]);
  });

  test('a chunk that is there is not made again', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await sweep(deps, 3);
    await expandChunk(deps, { submissionId: id, chunk: 0 });
    const before = await jobsNow(deps);
    await deps.clock.advance(1_000);
    await expandChunk(deps, { submissionId: id, chunk: 0 });
    expect(await jobsNow(deps)).toEqual(before);
    expect(deps.commits.filter(writesTo('jobs'))).toHaveLength(1);
  });

  test('a chunk beyond the last is nothing', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await sweep(deps, 3);
    await expandChunk(deps, { submissionId: id, chunk: 1 });
    expect(await jobsNow(deps)).toEqual([]);
  });

  test('of two that make the same chunk at once one does', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await sweep(deps, 3);
    const message = { submissionId: id, chunk: 0 };
    await Promise.all([expandChunk(deps, message), expandChunk(deps, message)]);
    expect(await jobsNow(deps)).toHaveLength(3);
  });

  test('an experiment that another submission makes meanwhile is used, and the jobs are made all the same', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const first = await sweep(deps, 3);
    const second = await sweep(deps, 3, 'second key');
    const store = beforeCommit(deps.store, writesTo('experiments'), () =>
      expandChunk(deps, { submissionId: second.id, chunk: 0 }),
    );
    await expandChunk({ ...deps, store }, { submissionId: first.id, chunk: 0 });
    const experiments = new Set((await jobsNow(deps)).map(({ experimentId }) => experimentId));
    expect([experiments.size, (await jobsNow(deps)).length]).toEqual([3, 6]);
  });

  test('it is expanded exactly when its last chunk is there, in any order', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 2 });
    const { id } = await sweep(deps, 6);
    for (const chunk of [2, 0]) {
      await expandChunk(deps, { submissionId: id, chunk });
      expect((await submissionNow(deps, id)).expanded).toBe(false);
    }
    await expandChunk(deps, { submissionId: id, chunk: 1 });
    expect((await submissionNow(deps, id)).expanded).toBe(true);
  });

  test('duplicates inside one submission are one experiment and two jobs', async ({ expect }) => {
    const deps = coreDeps();
    await submit(deps, aSpec({ config: '{"seed": [7, 7]}' }));
    await deliver(deps, 'expand');
    const jobs = await jobsNow(deps);
    expect(jobs.map(({ flags }) => flags)).toEqual([
      ['--seed', '7'],
      ['--seed', '7'],
    ]);
    expect(new Set(jobs.map(({ experimentId }) => experimentId)).size).toBe(1);
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(2);
  });

  test('a job starts its history with its acceptance', async ({ expect }) => {
    const deps = coreDeps();
    await sweep(deps, 1);
    await deliver(deps, 'expand');
    const [job] = await jobsNow(deps);
    expect(job?.history).toMatchObject([{ from: null, to: 'QUEUED', cause: { code: 'accepted' } }]);
  });

  test('a commit stays within what a store takes, with chunks of the largest size', async ({
    expect,
  }) => {
    const deps = coreDeps({ chunkSize: 200 });
    await sweep(deps, 1_000);
    await deliver(deps, 'expand');
    expect(await deps.store.count('recentJobs', {})).toBe(1_000);
    expect(Math.max(...deps.commits.map((writes) => writes.length))).toBeLessThanOrEqual(500);
  });
});

describe('expand, when the submission is to end', () => {
  test('a stop is read before anything is made', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await sweep(deps, 3);
    await requestEnding(deps, id, stopEnding());
    await expandChunk(deps, { submissionId: id, chunk: 0 });
    expect(await jobsNow(deps)).toEqual([]);
  });

  test('a stop that comes while the chunk is written ends its jobs too', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await sweep(deps, 3);
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await requestEnding(deps, id, stopEnding());
      await endSubmission(deps, id);
      deps.queue.take();
    });
    await expandChunk({ ...deps, store }, { submissionId: id, chunk: 0 });
    await deliver(deps, 'stop');
    expect((await jobsNow(deps)).map(({ state }) => state)).toEqual([
      'STOPPED',
      'STOPPED',
      'STOPPED',
    ]);
  });

  test('jobs that come after the stop was over are counted all the same', async ({ expect }) => {
    const deps = coreDeps();
    const { id, groupId } = await sweep(deps, 3);
    const scope = { kind: 'group', id: groupId } as const;
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await requestEnding(deps, id, stopEnding());
      await endSubmission(deps, id);
      expect((await countsOf(deps, scope)).settled).toBe(true);
      deps.queue.take();
    });
    await expandChunk({ ...deps, store }, { submissionId: id, chunk: 0 });
    await deliver(deps, 'stop');
    expect((await countsOf(deps, scope)).byState.STOPPED).toBe(3);
  });

  test('jobs of a failed submission are made FAILED, with the reason', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await sweep(deps, 2);
    await requestEnding(deps, id, FAILED);
    await deliver(deps, 'expand');
    const jobs = await jobsNow(deps);
    expect(jobs).toHaveLength(2);
    for (const job of jobs)
      expect(job).toMatchObject({ state: 'FAILED', live: false, cause: FAILED.cause });
  });
});

describe('repair of an expansion', () => {
  test('publishes the chunks whose message was lost', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 2 });
    const submission = await sweep(deps, 8);
    await expandChunk(deps, { submissionId: submission.id, chunk: 0 });
    deps.queue.take();
    await repairExpansion(deps, submission);
    expect(deps.queue.take()).toEqual(
      [1, 2, 3].map((chunk) => ({ kind: 'expand', submissionId: submission.id, chunk })),
    );
  });

  test('publishes at most a hundred at a time', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 1 });
    const submission = await sweep(deps, 700);
    deps.queue.take();
    await repairExpansion(deps, submission);
    expect(deps.queue.take()).toHaveLength(100);
  });

  test('says that everything is there when only that was lost', async ({ expect }) => {
    const deps = coreDeps();
    const submission = await sweep(deps, 3);
    const crashes = {
      ...deps,
      store: {
        ...deps.store,
        count: () => Promise.reject(new Error('killed right after the commit')),
      },
    };
    const message = { submissionId: submission.id, chunk: 0 } as const;
    await expect(expandChunk(crashes, message)).rejects.toThrow();
    expect((await submissionNow(deps, submission.id)).expanded).toBe(false);
    await repairExpansion(deps, submission);
    expect((await submissionNow(deps, submission.id)).expanded).toBe(true);
  });
});

describe('identity of an experiment', () => {
  test('is the same for the same flags, however the keys are ordered', async ({ expect }) => {
    expect(await isSame({ config: '{"a": 1, "b": 2}' }, { config: '{"b": 2, "a": 1}' })).toBe(true);
  });

  test('is another for 1 than for 1.0', async ({ expect }) => {
    expect(await isSame({ config: '{"a": 1}' }, { config: '{"a": 1.0}' })).toBe(false);
  });

  test('does not depend on the code', async ({ expect }) => {
    expect(await isSame({}, { codeLayers: ['d'.repeat(64)] })).toBe(true);
  });

  test('does not depend on labels, the name, or where it was packed', async ({ expect }) => {
    const other = {
      labels: { team: 'x' },
      name: 'n',
      source: { path: '/elsewhere', extraDirs: ['data'] },
    };
    expect(await isSame({}, other)).toBe(true);
  });

  const { dependencies } = aSpec();
  const others: readonly [string, Partial<SubmissionSpec>][] = [
    ['the module', { module: 'other.py' }],
    ['the script’s arguments', { scriptArgs: ['--epochs', '3'] }],
    ['the mode', { mode: 'gpu' }],
    ['the group', { group: 'other' }],
    ['the base image', { dependencies: { ...dependencies, base: 'python:3.13' } }],
    ['the Python version', { dependencies: { ...dependencies, python: '3.13' } }],
    ['the apt packages', { dependencies: { ...dependencies, apt: ['git'] } }],
    ['the extras', { dependencies: { ...dependencies, extras: ['gpu'] } }],
    [
      'the bytes of the dependency files',
      { dependencies: { ...dependencies, layer: 'd'.repeat(64) } },
    ],
  ];
  for (const [what, spec] of others) {
    test(`depends on ${what}`, async ({ expect }) => {
      expect(await isSame({}, spec)).toBe(false);
    });
  }
});

// Submits both to one service and tells whether their single experiments are one.
async function isSame(
  one: Partial<SubmissionSpec>,
  other: Partial<SubmissionSpec>,
): Promise<boolean> {
  const plain = coreDeps();
  // Plain processes take neither base images nor packages.
  const lanes = plain.lanes.map((lane) => ({ ...lane, platform: 'docker' as const }));
  const deps: TestDeps = { ...plain, lanes, defaultPlatform: 'docker' };
  deps.layers.addVerified('d'.repeat(64));
  await submit(deps, aSpec(one), 'one');
  await submit(deps, aSpec(other), 'other');
  for (const message of deps.queue.take()) {
    if (message.kind === 'expand') await consume(deps, message);
  }
  const [first, second, ...more] = await jobsNow(deps);
  if (first === undefined || second === undefined || more.length > 0)
    throw new Error('there are not two jobs');
  return first.experimentId === second.experimentId;
}

function sweep(deps: TestDeps, count: number, key = 'key'): Promise<SubmissionDoc> {
  const seed = Array.from({ length: count }, (_, at) => at);
  return submit(deps, aSpec({ config: JSON.stringify({ seed }) }), key);
}

function submit(deps: TestDeps, spec: SubmissionSpec, idempotencyKey = 'key') {
  return accept(deps, { principal: aPrincipal(), idempotencyKey, spec });
}
