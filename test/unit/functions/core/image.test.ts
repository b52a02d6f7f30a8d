import { describe, test } from 'vitest';
import { requestEnding, stopEnding } from '../../../../functions/core/ending.ts';
import { prepareImage } from '../../../../functions/core/image.ts';
import { readSubmission } from '../../../../functions/core/read-submissions.ts';
import type { Registry } from '../../../../functions/ports/registry.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { CODE_LAYER } from '../../../doubles/a-spec.ts';
import { aJob, LANE, START } from '../../../doubles/builders.ts';
import { saved, stored, submissionNow, waitingMessages } from '../../../doubles/store-access.ts';

import {
  aBuild,
  FINAL,
  KEY,
  RETRYABLE,
  viewOf,
  waiting,
  withDependencies,
  withSubmission,
} from '../../../fixtures/image-step.ts';

describe('image step', () => {
  test('with nothing to prepare the submission is ready and open, and the drainer is woken', async ({
    expect,
  }) => {
    const deps = await withSubmission();
    await prepareImage(deps, 'submission');
    expect(await submissionNow(deps)).toMatchObject({
      imageState: 'ready',
      openLane: LANE,
      run: { kind: 'workspace', venvKey: null, layers: [CODE_LAYER] },
    });
    expect(deps.queue.take()).toEqual([{ kind: 'drain', lane: LANE }]);
  });

  test('what is ready is not built again', async ({ expect }) => {
    const deps = await withDependencies();
    deps.builder.onPlan = async () => ({ key: KEY, ready: true, image: null });
    await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([]);
    expect(await submissionNow(deps)).toMatchObject({
      imageState: 'ready',
      buildId: KEY,
      run: { venvKey: KEY },
    });
  });

  test('waits while a layer is not verified yet, and looks again', async ({ expect }) => {
    const deps = await withSubmission();
    const layers = { ...deps.layers, check: async () => [{ state: 'complete' } as const] };
    await prepareImage({ ...deps, layers }, 'submission');
    expect((await submissionNow(deps)).imageState).toBe('waiting');
    expect(await waitingMessages(deps)).toEqual([
      {
        message: { kind: 'image', submissionId: 'submission' },
        notBefore: START + deps.timing.buildPollMs,
      },
    ]);
    await prepareImage(deps, 'submission');
    expect((await submissionNow(deps)).imageState).toBe('ready');
  });

  test('a layer that verification refused fails the submission and is named', async ({
    expect,
  }) => {
    const deps = await withSubmission();
    const check = async () => [{ state: 'failed', reason: 'it holds ../evil' } as const];
    await prepareImage({ ...deps, layers: { ...deps.layers, check } }, 'submission');
    const message = expect.stringMatching(`${CODE_LAYER}.*\\.\\./evil`);
    expect((await submissionNow(deps)).endingCause).toMatchObject({
      code: 'image-failed',
      message,
    });
  });

  test('a layer that is gone fails the submission and is named', async ({ expect }) => {
    const deps = await withSubmission({ codeLayers: ['d'.repeat(64)] });
    await prepareImage(deps, 'submission');
    expect((await submissionNow(deps)).endingCause?.message).toContain('d'.repeat(64));
  });

  test('one build for all submissions that wait for it', async ({ expect }) => {
    const deps = await withDependencies();
    for (const id of ['second', 'third']) await saved(deps, 'submissions', waiting({ id }));
    const all = ['submission', 'second', 'third'];
    await Promise.all(all.map((id) => prepareImage(deps, id)));
    expect(deps.builder.started).toEqual([`${KEY}.1`]);
    deps.builder.progress = { state: 'ready' };
    for (const id of all) await prepareImage(deps, id);
    for (const id of all)
      expect((await submissionNow(deps, id)).run).toMatchObject({ venvKey: KEY });
    expect(deps.builder.started).toEqual([`${KEY}.1`]);
  });

  test('a build that is running is waited for', async ({ expect }) => {
    const deps = await withDependencies();
    for (let look = 0; look < 3; look++) await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.1`]);
    expect((await submissionNow(deps)).imageState).toBe('waiting');
  });

  test('a build that a crash lost, or kept from starting, is started again', async ({ expect }) => {
    const deps = await withDependencies();
    deps.builder.onStart = () => Promise.reject(new Error('killed'));
    await expect(prepareImage(deps, 'submission')).rejects.toThrow('killed');
    deps.builder.onStart = async () => undefined;
    await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.1`]);
  });

  test('what was ready and is gone is built again', async ({ expect }) => {
    const deps = await withDependencies();
    await saved(deps, 'builds', aBuild({ state: 'ready', finishedAt: START - 1 }));
    await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.4`]);
  });

  test('what gets ready while a second submission looks is not built again', async ({ expect }) => {
    const deps = await withDependencies();
    let looks = 0;
    deps.builder.onPlan = async () => {
      if (++looks > 1) return { key: KEY, ready: true, image: null };
      await saved(deps, 'builds', aBuild({ state: 'ready', finishedAt: START }));
      return { key: KEY, ready: false, image: null };
    };
    await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([]);
    expect((await submissionNow(deps)).run).toMatchObject({ venvKey: KEY });
  });

  test('each later submission has its own three tries', async ({ expect }) => {
    const deps = await withDependencies();
    await saved(deps, 'builds', aBuild({ state: 'failed', attempt: 2, finishedAt: START - 1 }));
    deps.builder.progress = RETRYABLE;
    for (let look = 0; look < 5; look++) await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.4`, `${KEY}.5`, `${KEY}.6`]);
  });

  test('a failure that may pass is tried three times, then fails the submission', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    deps.builder.progress = RETRYABLE;
    for (let look = 0; look < 5; look++) await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.1`, `${KEY}.2`, `${KEY}.3`]);
    expect((await submissionNow(deps)).endingState).toBe('FAILED');
  });

  test('a final failure is not tried again; its cause tells message and hint', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    deps.builder.progress = FINAL;
    for (let look = 0; look < 3; look++) await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.1`]);
    expect((await submissionNow(deps)).endingCause).toEqual({
      code: 'image-failed',
      message: 'No version torch==99. Correct requirements.txt.',
    });
    expect((await stored(deps, 'builds', KEY)).value.state).toBe('failed');
  });

  test('a failure fails all that waited for it', async ({ expect }) => {
    const deps = await withDependencies();
    await saved(deps, 'submissions', waiting({ id: 'second' }));
    await prepareImage(deps, 'submission');
    deps.builder.progress = FINAL;
    await prepareImage(deps, 'submission');
    await prepareImage(deps, 'second');
    expect((await submissionNow(deps, 'second')).endingCause?.message).toContain('torch==99');
    expect(deps.builder.started).toHaveLength(1);
  });

  test('a failure before a submission was accepted says nothing about it', async ({ expect }) => {
    const deps = await withDependencies();
    await saved(deps, 'builds', aBuild({ state: 'failed', finishedAt: START - 1, error: FINAL }));
    await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.4`]);
    expect((await submissionNow(deps)).ending).toBe('none');
  });

  test('a failure that nobody had looked at before a submission was accepted says nothing about it', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    await saved(deps, 'builds', aBuild({ state: 'building', attempt: 1 }));
    deps.builder.progress = { ...FINAL, failedAt: START - 1 };
    await prepareImage(deps, 'submission');
    expect(deps.builder.started).toEqual([`${KEY}.1`]);
    expect(await submissionNow(deps)).toMatchObject({ ending: 'none', imageState: 'waiting' });
    deps.builder.progress = { ...FINAL, failedAt: START };
    await prepareImage(deps, 'submission');
    expect((await submissionNow(deps)).endingState).toBe('FAILED');
  });

  test('what the builder refuses of the dependencies fails the submission', async ({ expect }) => {
    const deps = await withDependencies();
    deps.builder.onPlan = () =>
      Promise.reject(new AppError('PYTHON_MISSING', 'No Python 3.4.', { hint: 'Install it.' }));
    await prepareImage(deps, 'submission');
    expect((await submissionNow(deps)).endingCause?.message).toBe('No Python 3.4. Install it.');
  });

  test('tells of each step, of a build how long it took, but not what it printed', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    await prepareImage(deps, 'submission');
    await deps.clock.advance(7_000);
    deps.builder.progress = { ...FINAL, message: 'Cannot reach https://user:hunter2@index/' };
    await prepareImage(deps, 'submission');
    const submissionId = 'submission';
    expect(deps.lines).toMatchObject([
      { message: 'build started', fields: { build: KEY, attempt: 1, submissionId } },
      {
        message: 'build finished',
        fields: { build: KEY, attempt: 1, state: 'failed', ms: 7_000, submissionId },
      },
      { message: 'end of submission requested', fields: { submissionId, cause: 'image-failed' } },
    ]);
    expect(JSON.stringify(deps.lines)).not.toContain('hunter2');
    const seconds = deps.meters
      .families()
      .find(({ name }) => name === 'caliban_build_duration_seconds');
    expect(seconds?.samples.find(({ suffix }) => suffix === '_sum')).toMatchObject({
      labels: { state: 'failed' },
      value: 7,
    });
  });

  test('a build that is there before anybody asked how it goes is finished too, once', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    await saved(deps, 'submissions', waiting({ id: 'second' }));
    await prepareImage(deps, 'submission');
    await deps.clock.advance(7_000);
    deps.builder.progress = { state: 'ready' };
    for (const id of ['submission', 'second']) await prepareImage(deps, id);
    const { value: build } = await stored(deps, 'builds', KEY);
    expect(build).toMatchObject({ state: 'ready', finishedAt: deps.clock.now() });
    const finished = deps.lines.filter(({ message }) => message === 'build finished');
    expect(finished).toMatchObject([{ fields: { build: KEY, state: 'ready', ms: 7_000 } }]);
  });

  test('tells when a submission has what it runs in', async ({ expect }) => {
    const deps = await withSubmission();
    await prepareImage(deps, 'submission');
    expect(deps.lines).toMatchObject([
      { message: 'image ready', fields: { submissionId: 'submission', build: null } },
    ]);
  });

  test('what may pass by itself is left to the next delivery', async ({ expect }) => {
    const codes = ['DISK_FULL', 'DATA_DIR_UNUSABLE', 'STORE_BUSY'] as const;
    for (const failure of [...codes.map((code) => new AppError(code, 'down')), new Error('odd')]) {
      const deps = await withDependencies();
      deps.builder.onPlan = () => Promise.reject(failure);
      await expect(prepareImage(deps, 'submission')).rejects.toBe(failure);
      expect((await submissionNow(deps)).ending).toBe('none');
    }
  });

  test('a builder that does not answer is waited for, and its words are there until it does', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    const plan = deps.builder.onPlan;
    const hint = { hint: 'Start Docker.' };
    deps.builder.onPlan = () =>
      Promise.reject(new AppError('UNAVAILABLE', 'The Docker engine does not answer.', hint));
    await saved(deps, 'jobs', aJob({ state: 'QUEUED' }));
    await prepareImage(deps, 'submission');
    const words = 'The Docker engine does not answer. Start Docker.';
    const waits = { code: 'waiting-for-image', message: words };
    expect((await viewOf(deps)).cause).toEqual(waits);
    expect((await readSubmission(deps, 'submission')).image).toMatchObject({ message: words });
    expect(await waitingMessages(deps)).toMatchObject([{ notBefore: START + 5_000 }]);
    await prepareImage(deps, 'submission');
    expect(deps.logged).toEqual(['image waits']);
    deps.builder.onPlan = plan;
    await prepareImage(deps, 'submission');
    expect((await viewOf(deps)).cause).toEqual({
      code: 'waiting-for-image',
      message: 'Its image or environment is being prepared.',
    });
    expect((await readSubmission(deps, 'submission')).image.message).toBeNull();
  });

  test('a registry that does not answer is waited for', async ({ expect }) => {
    const deps = await withSubmission({ image: 'team/model:7', codeLayers: [] });
    const away = () => Promise.reject(new AppError('UNAVAILABLE', 'Away.'));
    const registry: Registry = { resolve: away, append: away };
    await prepareImage({ ...deps, registry }, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ ending: 'none', imageWait: 'Away.' });
  });

  test('a submission that is to end is left alone, also when that comes while looking', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    deps.builder.onPlan = async () => {
      await requestEnding(deps, 'submission', stopEnding());
      return { key: KEY, ready: true, image: null };
    };
    await prepareImage(deps, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ imageState: 'waiting', openLane: null });
    await prepareImage(deps, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ run: null, endingState: 'STOPPED' });
  });
});
