import { test } from 'vitest';
import { consume } from '../../../../functions/consumers/consume.ts';
import { createOutboxLoop } from '../../../../functions/consumers/outbox-loop.ts';
import { commitAndPublish } from '../../../../functions/core/outbox.ts';
import { tick } from '../../../../functions/core/tick.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { aJob, aSubmission, coreDeps, START } from '../../../doubles/builders.ts';
import { jobNow, saved, submissionNow } from '../../../doubles/store-access.ts';

const HOUR_MS = 3_600_000;

test('an engine that is away for an hour costs no submission, and the wait ends soon after', async ({
  expect,
  onTestFinished,
}) => {
  const made = coreDeps();
  // One machine's: rows stay the messages.
  const deps = { ...made, queue: { ...made.queue, keepsMessages: false } };
  const back = START + HOUR_MS;
  let looks = 0;
  deps.builder.onPlan = async () => {
    looks += 1;
    if (deps.clock.now() < back) throw new AppError('UNAVAILABLE', 'The engine is away.');
    return null;
  };
  const waiting = { imageState: 'waiting', run: null, openLane: null } as const;
  await saved(deps, 'submissions', aSubmission(waiting));
  await saved(deps, 'jobs', aJob({ state: 'QUEUED' }));
  const message = { kind: 'image', submissionId: 'submission' } as const;
  await commitAndPublish(deps, [], [{ message, notBefore: START + 1 }]);
  const loop = createOutboxLoop(deps, 'this-life', (each) => consume(deps, each));
  const ending = new AbortController();
  const ended = loop.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await ended;
  });
  await deps.clock.advance(HOUR_MS - 1_000);
  await tick(deps);
  expect(looks).toBeGreaterThan(100);
  expect(await submissionNow(deps)).toMatchObject({ ending: 'none', imageState: 'waiting' });
  expect((await jobNow(deps)).state).toBe('QUEUED');
  await deps.clock.advance(10_000);
  expect(await submissionNow(deps)).toMatchObject({ ending: 'none', imageState: 'ready' });
});
