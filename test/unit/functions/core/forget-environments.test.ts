import { describe, test } from 'vitest';
import { forgetEnvironments } from '../../../../functions/core/forget-environments.ts';
import type { SubmissionDoc } from '../../../../functions/ports/documents.ts';
import type { JobState } from '../../../../shared/jobs/job-state.ts';
import { aJob, aSubmission, coreDeps, LANE, type TestDeps } from '../../../doubles/builders.ts';
import { saved, submissionNow, waitingMessages } from '../../../doubles/store-access.ts';

const IN_VENV: Partial<SubmissionDoc> = {
  buildId: 'key',
  run: { kind: 'workspace', venvKey: 'key', layers: ['a'] },
};

describe('records that were copied to where no virtualenv is', () => {
  test('let a submission prepare its own anew while a job of it waits', async ({ expect }) => {
    for (const state of ['QUEUED', 'SUBMITTING'] as const) {
      const deps = await withSubmission(IN_VENV, 'SUCCEEDED', state);
      expect(await forgetEnvironments(deps)).toBe(1);
      expect(await submissionNow(deps)).toMatchObject({
        imageState: 'waiting',
        run: null,
        buildId: null,
        openLane: null,
      });
      expect(await waitingMessages(deps)).toMatchObject([
        { message: { kind: 'image', submissionId: 'submission' } },
      ]);
    }
  });

  test('and one that runs in an image, which is the engine’s', async ({ expect }) => {
    const deps = await withSubmission({ run: { kind: 'image', digest: 'sha256:1' } }, 'QUEUED');
    expect(await forgetEnvironments(deps)).toBe(1);
    expect(await submissionNow(deps)).toMatchObject({ imageState: 'waiting', run: null });
  });

  test('and while jobs of it are still to be made', async ({ expect }) => {
    const deps = await withSubmission({ ...IN_VENV, expanded: false, count: 2, chunks: 2 });
    expect(await forgetEnvironments(deps)).toBe(1);
  });

  test.for([
    ['whose jobs all run or have ended', IN_VENV, ['RUNNING', 'FAILED']],
    [
      'that needs no virtualenv',
      { run: { kind: 'workspace', venvKey: null, layers: [] } },
      ['QUEUED'],
    ],
    ['that is not ready yet', { imageState: 'waiting', run: null, openLane: null }, ['QUEUED']],
    ['that is to end', { ...IN_VENV, ending: 'requested', endingState: 'STOPPED' }, ['QUEUED']],
  ] as const)('leave one alone %s', async ([, changes, states], { expect }) => {
    const deps = await withSubmission(changes, ...states);
    const before = await submissionNow(deps);
    expect(await forgetEnvironments(deps)).toBe(0);
    expect(await submissionNow(deps)).toEqual(before);
    expect(await waitingMessages(deps)).toEqual([]);
  });
});

async function withSubmission(
  changes: Partial<SubmissionDoc>,
  ...states: readonly JobState[]
): Promise<TestDeps> {
  const made = coreDeps();
  // As on one machine: a message is its row.
  const deps = { ...made, queue: { ...made.queue, keepsMessages: false } };
  await saved(deps, 'submissions', aSubmission({ openLane: LANE, ...changes }));
  for (const [index, state] of states.entries()) await saved(deps, 'jobs', aJob({ index, state }));
  return deps;
}
