import { describe, test } from 'vitest';
import { accept } from '../../../../functions/core/accept.ts';
import { requestEnding, stopEnding } from '../../../../functions/core/ending.ts';
import { outboxRow } from '../../../../functions/core/outbox.ts';
import { tick } from '../../../../functions/core/tick.ts';
import type { JobDoc, LaneDoc, OutboxDoc } from '../../../../functions/ports/documents.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { put } from '../../../../functions/ports/store.ts';
import { aSpec } from '../../../doubles/a-spec.ts';
import {
  aJob,
  aLane,
  aPrincipal,
  aSubmission,
  coreDeps,
  LANE,
  START,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { deliver, saved, submissionNow, waitingMessages } from '../../../doubles/store-access.ts';

const STOPPED = { ending: 'done', endingState: 'STOPPED', stopRequestedAt: START } as const;
const DRAIN: Message = { kind: 'drain', lane: LANE };

describe('tick settles what failed ten times', () => {
  const lastError = 'the disk is full';

  test('a stop is tried again later', async ({ expect }) => {
    const deps = await withParked({ kind: 'stop', submissionId: 'submission' }, lastError);
    await tick(deps);
    const page = await deps.store.list('dueMessages', { parked: false }, { limit: 10 });
    expect(page.items.map(({ value }) => value)).toMatchObject([
      { message: { kind: 'stop' }, attempts: 0, notBefore: START + deps.timing.repairAfterMs },
    ]);
  });

  test.for([
    [{ kind: 'image', submissionId: 'submission' }, 'image-failed'],
    [{ kind: 'expand', submissionId: 'submission', chunk: 0 }, 'expansion-failed'],
  ] as const)(
    'a submission whose step is parked fails and says why: %j',
    async ([message, code], { expect }) => {
      const deps = await withParked(message, lastError);
      await tick(deps);
      const { endingState, endingCause } = await submissionNow(deps);
      expect(endingState).toBe('FAILED');
      expect(endingCause).toMatchObject({ code, message: expect.stringContaining(lastError) });
      expect(await waitingMessages(deps)).toEqual([]);
    },
  );
});

async function withParked(message: Message, lastError: string): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'submissions', aSubmission({}));
  const row: OutboxDoc = {
    ...outboxRow({ message }, START),
    attempts: 10,
    parked: true,
    lastError,
  };
  await deps.store.commit([put({ collection: 'outbox', id: 'parked' }, row)]);
  return deps;
}

describe('tick wakes lanes', () => {
  test('no jobs are left of a chunk that came after its submission had ended', async ({
    expect,
  }) => {
    const deps = await withJob({ job: {} });
    await saved(deps, 'submissions', aSubmission({ openLane: null, ...STOPPED }));
    await tick(deps);
    expect(deps.queue.take()).toContainEqual({ kind: 'stop', submissionId: 'submission' });
  });

  test('a lane with a due job and no live lease', async ({ expect }) => {
    expect(await sentFor({ job: {} })).toEqual([DRAIN]);
  });

  test('a lane with a claim whose grace is over', async ({ expect }) => {
    const job = { state: 'SUBMITTING', claimUntil: START } as const;
    expect(await sentFor({ job })).toEqual([DRAIN]);
  });

  test('no lane that somebody holds', async ({ expect }) => {
    const lane = { leaseHolder: 'one', leaseUntil: START + 1 };
    expect(await sentFor({ job: {}, lane })).toEqual([]);
  });

  test('no lane whose jobs are to wait, or run, or are over', async ({ expect }) => {
    const idle: Partial<JobDoc>[] = [
      { notBefore: START + 1 },
      { state: 'RUNNING', ref: 'ref-1' },
      { state: 'SUCCEEDED', ref: 'ref-1' },
      { state: 'SUBMITTING', claimUntil: START + 1 },
    ];
    for (const job of idle) expect(await sentFor({ job })).toEqual([]);
  });

  test('a submission that was closed with a job still waiting is opened again', async ({
    expect,
  }) => {
    const deps = await withJob({ job: {} });
    await saved(deps, 'submissions', aSubmission({ openLane: null }));
    await tick(deps);
    expect((await submissionNow(deps)).openLane).toBe(LANE);
  });

  test('a submission that waits for its image, or is to end, is not opened', async ({ expect }) => {
    const closed = [
      { imageState: 'waiting' },
      { ending: 'requested', endingState: 'STOPPED' },
    ] as const;
    for (const changes of closed) {
      const deps = await withJob({ job: {} });
      await saved(deps, 'submissions', aSubmission({ openLane: null, ...changes }));
      await tick(deps);
      expect((await submissionNow(deps)).openLane).toBeNull();
    }
  });
});

describe('tick publishes what was left', () => {
  test('rows that are due, and deletes them', async ({ expect }) => {
    const deps = coreDeps();
    await withRow(deps, 'due', { notBefore: START });
    await withRow(deps, 'later', { notBefore: START + 1 });
    await withRow(deps, 'parked', { parked: true });
    await tick(deps);
    expect(deps.queue.take()).toHaveLength(1);
    expect(await waitingMessages(deps)).toMatchObject([{ notBefore: START + 1 }]);
  });

  test('nothing where the rows are the messages', async ({ expect }) => {
    const deps = coreDeps();
    await withRow(deps, 'due', { notBefore: START });
    await tick({ ...deps, queue: { ...deps.queue, keepsMessages: false } });
    expect(await waitingMessages(deps)).toHaveLength(1);
  });
});

describe('tick repairs what a lost message left', () => {
  test('image and expansion, a minute after acceptance, not before', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 2 });
    const { id } = await submit(deps, '{"seed": [1, 2, 3]}');
    deps.queue.take();
    await deps.clock.advance(deps.timing.repairAfterMs - 1);
    await tick(deps);
    expect(deps.queue.take()).toEqual([]);
    await deps.clock.advance(1);
    await tick(deps);
    expect(deps.queue.take()).toEqual([
      { kind: 'image', submissionId: id },
      { kind: 'expand', submissionId: id, chunk: 0 },
      { kind: 'expand', submissionId: id, chunk: 1 },
    ]);
  });

  test('a stop', async ({ expect }) => {
    const deps = coreDeps();
    await saved(deps, 'submissions', aSubmission());
    await requestEnding(deps, 'submission', stopEnding());
    deps.queue.take();
    await deps.clock.advance(deps.timing.repairAfterMs + 1);
    await tick(deps);
    expect(deps.queue.take()).toEqual([{ kind: 'stop', submissionId: 'submission' }]);
  });

  test('nothing of what is done', async ({ expect }) => {
    const deps = coreDeps();
    await submit(deps, '{"seed": [1, 2, 3]}');
    await deliver(deps, 'image', 'expand', 'drain');
    await deps.clock.advance(3_600_000);
    await tick(deps);
    expect(deps.queue.take()).toEqual([]);
  });

  test('nothing of what was stopped', async ({ expect }) => {
    const deps = coreDeps();
    const { id } = await submit(deps, '{"seed": [1, 2, 3]}');
    await requestEnding(deps, id, stopEnding());
    await deliver(deps, 'stop');
    await deps.clock.advance(3_600_000);
    await tick(deps);
    expect(deps.queue.take()).toEqual([]);
  });

  test('an image, however many were stopped while they waited for theirs', async ({ expect }) => {
    const deps = coreDeps();
    const waiting = { imageState: 'waiting', run: null, openLane: null } as const;
    for (let at = 0; at < 60; at++) {
      const id = `stopped-${at}`;
      await saved(deps, 'submissions', aSubmission({ id, ...waiting, ...STOPPED }));
    }
    await saved(deps, 'submissions', aSubmission({ ...waiting, acceptedAt: START + 1 }));
    await deps.clock.advance(3_600_000);
    await tick(deps);
    expect(deps.queue.take()).toEqual([{ kind: 'image', submissionId: 'submission' }]);
  });

  test('with every message lost, ticks alone bring a submission through', async ({ expect }) => {
    const deps = coreDeps({ chunkSize: 2 });
    const { id } = await submit(deps, '{"seed": [1, 2, 3, 4, 5]}');
    deps.queue.take();
    for (let minute = 0; minute < 3; minute++) {
      await deps.clock.advance(60_001);
      await tick(deps);
      await deliver(deps, 'image', 'expand', 'drain');
    }
    expect(deps.platform.submitted).toHaveLength(5);
    expect((await submissionNow(deps, id)).expanded).toBe(true);
  });
});

async function sentFor(parts: Parts): Promise<Message[]> {
  const deps = await withJob(parts);
  await tick(deps);
  return deps.queue.take();
}

interface Parts {
  readonly job: Partial<JobDoc>;
  readonly lane?: Partial<Omit<LaneDoc, 'policy'>>;
}

async function withJob({ job, lane = {} }: Parts): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'lanes', aLane(lane));
  await saved(deps, 'submissions', aSubmission());
  await saved(deps, 'jobs', aJob(job));
  return deps;
}

async function withRow(deps: TestDeps, id: string, changes: Partial<OutboxDoc>): Promise<void> {
  const row = { ...outboxRow({ message: DRAIN }, START), ...changes };
  await deps.store.commit([put({ collection: 'outbox', id }, row)]);
}

function submit(deps: TestDeps, config: string) {
  const spec = aSpec({ config });
  return accept(deps, { principal: aPrincipal(), idempotencyKey: 'key', spec });
}
