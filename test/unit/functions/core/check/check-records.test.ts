import { describe, test } from 'vitest';
import { consume } from '../../../../../functions/consumers/consume.ts';
import { accept } from '../../../../../functions/core/accept.ts';
import { countsOf } from '../../../../../functions/core/counts.ts';
import { requestEnding, stopEnding } from '../../../../../functions/core/ending.ts';
import { groupIdOf } from '../../../../../functions/core/ids.ts';
import { outboxRow } from '../../../../../functions/core/outbox.ts';
import { syncLane } from '../../../../../functions/core/sync.ts';
import type { SubmissionDoc } from '../../../../../functions/ports/documents.ts';
import type { Message } from '../../../../../functions/ports/message.ts';
import { type Key, put } from '../../../../../functions/ports/store.ts';
import type { DifferenceKind } from '../../../../../shared/api/check.ts';
import { LIMITS } from '../../../../../shared/api/limits.ts';
import { aSpec } from '../../../../doubles/a-spec.ts';
import {
  anObservation,
  aPrincipal,
  coreDeps,
  LANE,
  type TestDeps,
} from '../../../../doubles/builders.ts';
import { checkAll } from '../../../../doubles/checked.ts';
import {
  changed,
  deliver,
  jobsNow,
  saved,
  stored,
  submissionNow,
} from '../../../../doubles/store-access.ts';

const GROUP = groupIdOf('ada', 'sweep');
const JOBS = 25;

describe('sound records', () => {
  test('differ in nothing, at every step of a sweep', async ({ expect }) => {
    const deps = rowsStay(coreDeps());
    const { id } = await submit(deps);
    const steps = [
      () => handle(deps, 'image'),
      () => handle(deps, 'expand'),
      () => handle(deps, 'expand'),
      () => handle(deps, 'drain'),
      () => observe(deps, 'RUNNING'),
      () => observe(deps, 'SUCCEEDED'),
      () => handle(deps, 'drain'),
      () => countsOf(deps, { kind: 'group', id: GROUP }),
      async () => countsOf(deps, { kind: 'submission', doc: await submissionNow(deps, id) }),
    ];
    for (const step of steps) {
      await step();
      await deps.clock.advance(60_000);
      expect((await checkAll(deps)).differences).toEqual([]);
    }
    expect(await submissionNow(deps, id)).toMatchObject({ expanded: true, openLane: null });
    expect((await checkAll(deps)).looked).toMatchObject({
      groups: 1,
      submissions: 1,
      chunks: 3,
      jobs: JOBS,
    });
  });

  test('differ in nothing after a stop, in the middle and at the start', async ({ expect }) => {
    const deps = await aRunningSweep();
    const { id } = await submit(deps, 'second');
    await handle(deps, 'expand');
    for (const submissionId of [(await aSubmissionOf(deps)).id, id]) {
      await requestEnding(deps, submissionId, stopEnding());
      expect((await checkAll(deps)).differences).toEqual([]);
    }
    for (const kind of ['stop', 'image', 'expand', 'stop'] as const) {
      await handle(deps, kind);
      await deps.clock.advance(60_000);
      expect((await checkAll(deps)).differences).toEqual([]);
    }
    expect(await submissionNow(deps, id)).toMatchObject({ ending: 'done' });
    expect((await checkAll(deps)).looked['chunks']).toBe(4);
  });

  test('are read in parts, which leave nothing out', async ({ expect }) => {
    const deps = await aFinishedSweep();
    for (let at = 0; at < 8; at++) {
      await submit(deps, `more-${at}`, { config: `{"lr": [${numbers(700).join(',')}]}` });
      await deliver(deps, 'expand', 'image');
    }
    const { differences, looked, parts } = await checkAll(deps);
    expect(differences).toEqual([]);
    expect(parts).toBeGreaterThan(1);
    expect(looked).toMatchObject({
      submissions: 9,
      chunks: 3 + 8 * 70,
      jobs: JOBS + 8 * 700,
    });
  });
});

interface Damage {
  readonly name: string;
  readonly kind: DifferenceKind;
  readonly found: string;
  damage(deps: TestDeps, submission: SubmissionDoc): Promise<unknown>;
}

const ENDED: readonly Damage[] = [
  {
    name: 'settled counts of a group',
    kind: 'counts',
    found: 'kept: 24 SUCCEEDED, 1 FAILED',
    damage: async (deps) => {
      const counts = await stored(deps, 'counts', `group-${GROUP}`);
      const byState = { ...counts.value.byState, SUCCEEDED: 24, FAILED: 1 };
      await saved(deps, 'counts', { ...counts.value, byState });
    },
  },
  {
    name: 'the id of a group',
    kind: 'group',
    found: `id ${GROUP}`,
    damage: async (deps) => {
      const group = await stored(deps, 'groups', GROUP);
      await deps.store.commit([put(group.key, { ...group.value, name: 'other' })]);
    },
  },
  {
    name: 'a job that is gone',
    kind: 'expansion',
    found: '1 of its jobs do not exist',
    damage: (deps, { id }) => removed(deps, { collection: 'jobs', id: `${id}-12` }),
  },
  {
    name: 'a job that is gone, in the submission',
    kind: 'expansion',
    found: '24 jobs',
    damage: (deps, { id }) => removed(deps, { collection: 'jobs', id: `${id}-12` }),
  },
  {
    name: 'a chunk record that is gone',
    kind: 'expansion',
    found: 'expanded, with 2 chunk records',
    damage: (deps, { id }) => removed(deps, { collection: 'chunks', id: `${id}-1` }),
  },
  {
    name: 'a chunk record that is gone, at its jobs',
    kind: 'job',
    found: 'chunk 1 of its submission has no record',
    damage: (deps, { id }) => removed(deps, { collection: 'chunks', id: `${id}-1` }),
  },
  {
    name: 'a chunk too many',
    kind: 'expansion',
    found: 'expanded, with 4 chunk records',
    damage: (deps, { id: submissionId }) =>
      deps.store.commit([
        put(
          { collection: 'chunks', id: `${submissionId}-7` },
          { schemaVersion: 1, submissionId, index: 7 },
        ),
      ]),
  },
  {
    name: 'an expansion that is denied',
    kind: 'expansion',
    found: 'not expanded, with 3 chunk records',
    damage: (deps, { id }) => changed(deps, { collection: 'submissions', id }, { expanded: false }),
  },
  {
    name: 'a submission that is gone',
    kind: 'job',
    found: 'does not exist',
    damage: (deps, { id }) => removed(deps, { collection: 'submissions', id }),
  },
  {
    name: 'a group that is gone',
    kind: 'submission',
    found: 'its group does not exist',
    damage: (deps) => removed(deps, { collection: 'groups', id: GROUP }),
  },
  {
    name: 'a config that is gone',
    kind: 'submission',
    found: 'its config does not exist',
    damage: (deps, { id }) => removed(deps, { collection: 'configs', id: `${id}-0` }),
  },
  {
    name: 'a lane that is gone',
    kind: 'submission',
    found: 'its lane does not exist',
    damage: (deps) => removed(deps, { collection: 'lanes', id: LANE }),
  },
  {
    name: 'an experiment that is gone',
    kind: 'job',
    found: 'does not exist',
    damage: async (deps) => {
      const [job] = await jobsNow(deps);
      await removed(deps, { collection: 'experiments', id: job?.experimentId ?? '' });
    },
  },
  {
    name: 'a submission that names another owner',
    kind: 'submission',
    found: 'group bob/sweep',
    damage: (deps, { id }) => changed(deps, { collection: 'submissions', id }, { owner: 'bob' }),
  },
  {
    name: 'an environment that is ready and is nothing',
    kind: 'submission',
    found: 'its environment is ready, it has nothing to run in',
    damage: (deps, { id }) => changed(deps, { collection: 'submissions', id }, { run: null }),
  },
  {
    name: 'an ending without a state',
    kind: 'ending',
    found: 'ending done as nothing',
    damage: (deps, { id }) => changed(deps, { collection: 'submissions', id }, { ending: 'done' }),
  },
  {
    name: 'an ending that is open',
    kind: 'ending',
    found: 'over, but offered to the drainer',
    damage: (deps, { id }) =>
      changed(
        deps,
        { collection: 'submissions', id },
        { ending: 'done', endingState: 'STOPPED', openLane: LANE },
      ),
  },
  {
    name: 'a submission that is open for another lane',
    kind: 'open',
    found: 'open on lane elsewhere',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'submissions', id }, { openLane: 'elsewhere' }),
  },
  {
    name: 'a submission that is open for nothing',
    kind: 'open',
    found: 'open, though nothing of it waits',
    damage: (deps, { id }) => changed(deps, { collection: 'submissions', id }, { openLane: LANE }),
  },
  {
    name: 'an image step that nobody takes',
    kind: 'stuck',
    found: 'no message image waits for it',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'submissions', id }, { imageState: 'waiting', run: null }),
  },
  {
    name: 'a stop that nobody carries out',
    kind: 'stuck',
    found: 'no message stop waits for it',
    damage: (deps, { id }) =>
      changed(
        deps,
        { collection: 'submissions', id },
        { ending: 'requested', endingState: 'STOPPED' },
      ),
  },
  {
    name: 'a layer that is gone',
    kind: 'layer',
    found: `layer ${'d'.repeat(64)} is missing`,
    damage: (deps, { id }) =>
      changed(deps, { collection: 'submissions', id }, { codeLayers: ['d'.repeat(64)] }),
  },
  {
    name: 'a history with an illegal move',
    kind: 'history',
    found: 'move 4 is from RUNNING to QUEUED',
    damage: (deps, { id }) => withLastMove(deps, `${id}-03`, { from: 'RUNNING', to: 'QUEUED' }),
  },
  {
    name: 'a history with a gap',
    kind: 'history',
    found: 'move 4 is from QUEUED',
    damage: (deps, { id }) => withLastMove(deps, `${id}-03`, { from: 'QUEUED', to: 'STOPPED' }),
  },
  {
    name: 'a history that leads elsewhere',
    kind: 'history',
    found: 'its last move is to SUCCEEDED',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { state: 'FAILED' }),
  },
  {
    name: 'no history',
    kind: 'history',
    found: 'no history',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { history: [] }),
  },
  {
    name: 'a history that begins in the middle',
    kind: 'history',
    found: 'it begins with nothing to RUNNING',
    damage: (deps, { id }) => withFirstMove(deps, `${id}-03`, { from: null, to: 'RUNNING' }),
  },
  {
    name: 'an end without an instant',
    kind: 'job',
    found: 'SUCCEEDED, and no end',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { finishedAt: null }),
  },
  {
    name: 'a dead job that lives',
    kind: 'job',
    found: 'SUCCEEDED, and live is true',
    damage: (deps, { id }) => changed(deps, { collection: 'jobs', id: `${id}-03` }, { live: true }),
  },
  {
    name: 'a dead job that is active',
    kind: 'job',
    found: 'SUCCEEDED, and active is true',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { active: true }),
  },
  {
    name: 'a success with an exit code',
    kind: 'job',
    found: 'SUCCEEDED, and exit code 3',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { exitCode: 3 }),
  },
  {
    name: 'a term of a claim that is over',
    kind: 'job',
    found: 'SUCCEEDED, and no claim (5)',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { claimUntil: 5 }),
  },
  {
    name: 'a job that was missed and is not',
    kind: 'job',
    found: 'SUCCEEDED, and missed',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { missedAt: 5 }),
  },
  {
    name: 'a job at another index',
    kind: 'job',
    found: 'index 4',
    damage: (deps, { id }) => changed(deps, { collection: 'jobs', id: `${id}-03` }, { index: 4 }),
  },
  {
    name: 'a job of another group',
    kind: 'job',
    found: 'group other',
    damage: async (deps, { id }) => {
      await deps.store.commit([
        put(
          { collection: 'groups', id: 'other' },
          { ...(await stored(deps, 'groups', GROUP)).value, id: 'other' },
        ),
      ]);
      await changed(deps, { collection: 'jobs', id: `${id}-03` }, { groupId: 'other' });
    },
  },
  {
    name: 'a parked message',
    kind: 'message',
    found: 'parked: Error: no',
    damage: (deps) =>
      deps.store.commit([
        put(
          { collection: 'outbox', id: 'row' },
          {
            ...outboxRow({ message: { kind: 'drain', lane: LANE } }, 0),
            parked: true,
            lastError: 'Error: no',
          },
        ),
      ]),
  },
  {
    name: 'a message about nothing',
    kind: 'message',
    found: 'submission gone does not exist',
    damage: (deps) =>
      deps.store.commit([
        put(
          { collection: 'outbox', id: 'row' },
          outboxRow({ message: { kind: 'stop', submissionId: 'gone' } }, 0),
        ),
      ]),
  },
];

const RUNNING: readonly Damage[] = [
  {
    name: 'a running job without a name on its platform',
    kind: 'job',
    found: 'RUNNING, and no name on its platform',
    damage: (deps, { id }) => changed(deps, { collection: 'jobs', id: `${id}-03` }, { ref: null }),
  },
  {
    name: 'a running job with an exit code',
    kind: 'job',
    found: 'RUNNING, and exit code 0',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { exitCode: 0 }),
  },
  {
    name: 'an end while jobs live',
    kind: 'ending',
    found: 'over, but 25 of its jobs live',
    damage: (deps, { id }) =>
      changed(
        deps,
        { collection: 'submissions', id },
        { ending: 'done', endingState: 'STOPPED', openLane: null },
      ),
  },
  {
    name: 'kept counts that no job changed since',
    kind: 'counts',
    found: 'kept: 24 RUNNING',
    damage: async (deps) => {
      await deps.clock.advance(60_000);
      const counts = await countsOf(deps, { kind: 'group', id: GROUP });
      const byState = { ...counts.byState, RUNNING: 24 };
      await deps.store.commit([
        put({ collection: 'counts', id: counts.id }, { ...counts, byState }),
      ]);
    },
  },
];

const WAITING: readonly Damage[] = [
  {
    name: 'waiting jobs of a closed submission',
    kind: 'open',
    found: 'closed for the drainer, but 25 jobs wait',
    damage: (deps, { id }) => changed(deps, { collection: 'submissions', id }, { openLane: null }),
  },
  {
    name: 'a build that is gone while jobs wait for it',
    kind: 'build',
    found: 'build key is not there',
    damage: (deps, { id }) =>
      changed(
        deps,
        { collection: 'submissions', id },
        { buildId: 'key', run: { kind: 'workspace', venvKey: 'key', layers: [] } },
      ),
  },
  {
    name: 'a claim without a holder',
    kind: 'job',
    found: 'SUBMITTING, and no claim (0)',
    damage: (deps, { id }) =>
      changed(deps, { collection: 'jobs', id: `${id}-03` }, { state: 'SUBMITTING' }),
  },
];

describe.for([
  ['of an ended sweep', aFinishedSweep, ENDED],
  ['of a running sweep', aRunningSweep, RUNNING],
  ['of a waiting sweep', aWaitingSweep, WAITING],
] as const)('damaged records %s', ([, made, damages]) => {
  test.for(damages)('$name', async ({ kind, found, damage }, { expect }) => {
    const deps = await made();
    expect((await checkAll(deps)).differences).toEqual([]);
    await damage(deps, await aSubmissionOf(deps));
    const { differences } = await checkAll(deps);
    const told = differences.filter((each) => each.kind === kind);
    expect(told.map((each) => each.found)).toContainEqual(expect.stringContaining(found));
    for (const { fix, expected, subject } of differences) {
      expect([fix, expected, subject]).not.toContain('');
    }
  });
});

describe('a second look', () => {
  test('keeps what is found again on the same versions', async ({ expect }) => {
    const deps = await aFinishedSweep();
    const { id } = await aSubmissionOf(deps);
    await changed(deps, { collection: 'jobs', id: `${id}-03` }, { live: true });
    const checking = checkAll(deps, { pauseMs: 5_000 });
    expect((await deps.clock.until(checking)).differences).toMatchObject([
      { kind: 'job', ids: { jobId: `${id}-03` } },
    ]);
  });

  test('drops what moved on meanwhile', async ({ expect }) => {
    const deps = await aFinishedSweep();
    const { id } = await aSubmissionOf(deps);
    const key = { collection: 'jobs', id: `${id}-03` } as const;
    await changed(deps, key, { live: true });
    const checking = checkAll(deps, { pauseMs: 5_000 });
    await deps.clock.advance(2_000);
    expect(deps.clock.sleeping()).toBe(1);
    await changed(deps, key, { live: false });
    expect((await deps.clock.until(checking)).differences).toEqual([]);
  });

  test('drops what is wrong in another version only', async ({ expect }) => {
    const deps = await aFinishedSweep();
    const { id } = await aSubmissionOf(deps);
    const key = { collection: 'jobs', id: `${id}-03` } as const;
    await changed(deps, key, { finishedAt: null });
    const checking = checkAll(deps, { pauseMs: 5_000 });
    await deps.clock.advance(2_000);
    await changed(deps, key, { exitCode: 0 });
    expect((await deps.clock.until(checking)).differences).toEqual([]);
  });
});

test('a long history may have lost its middle, and nothing else', async ({ expect }) => {
  const deps = await aFinishedSweep();
  const { id } = await aSubmissionOf(deps);
  const { key, value } = await stored(deps, 'jobs', `${id}-03`);
  const [first] = value.history;
  const cause = value.cause;
  if (first === undefined) throw new Error('no history');
  const again = [
    { at: 1, from: 'SUBMITTING', to: 'QUEUED', cause },
    { at: 2, from: 'QUEUED', to: 'SUBMITTING', cause },
  ] as const;
  const middle = Array.from({ length: (LIMITS.history - 2) / 2 }, () => again).flat();
  const end = { at: 3, from: 'SUBMITTING', to: 'SUCCEEDED', cause } as const;
  await deps.store.commit([put(key, { ...value, history: [first, ...middle, end] })]);
  expect((await checkAll(deps)).differences).toEqual([]);
  await deps.store.commit([put(key, { ...value, history: [first, ...middle.slice(2), end] })]);
  expect((await checkAll(deps)).differences).toHaveLength(1);
});

test('a layer is read once, however many submissions name it; damage is told with its id', async ({
  expect,
}) => {
  const deps = await aFinishedSweep();
  await submit(deps, 'second');
  const read: string[] = [];
  const layers = {
    ...deps.layers,
    reverify: async (diffId: string) => {
      read.push(diffId);
      return null;
    },
  };
  const sound = await checkAll({ ...deps, layers }, { layerBytes: true });
  expect(sound.differences).toEqual([]);
  expect(read).toHaveLength(1);
  expect(sound.looked['layers']).toBe(1);
  const broken = { ...layers, reverify: async () => 'it rots' };
  const { differences } = await checkAll({ ...deps, layers: broken }, { layerBytes: true });
  expect(differences[0]).toMatchObject({
    kind: 'layer',
    found: 'it rots',
    ids: { diffId: read[0] },
  });
});

test('a place in a part that the plan lacks is refused', async ({ expect }) => {
  const deps = coreDeps();
  const { checkPart } = await import('../../../../../functions/core/check/check-part.ts');
  const asked = checkPart(deps, { stages: [], pauseMs: 0 }, { stage: 'layer-bytes', after: null });
  await expect(asked).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
});

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

// As on one machine: the rows of the outbox are the messages.
function rowsStay(deps: TestDeps): TestDeps {
  return {
    ...deps,
    queue: {
      ...deps.queue,
      keepsMessages: false,
      publish: async (messages) => deps.queue.publish(messages),
    },
  };
}

async function submit(
  deps: TestDeps,
  key = 'first',
  changes: Parameters<typeof aSpec>[0] = {},
): Promise<SubmissionDoc> {
  const config = `{"lr": [${numbers(JOBS).join(',')}]}`;
  return accept(deps, {
    principal: aPrincipal(),
    idempotencyKey: key,
    spec: aSpec({ config, ...changes }),
  });
}

async function aSubmissionOf(deps: TestDeps): Promise<SubmissionDoc> {
  const page = await deps.store.list('submissionsOfGroup', { groupId: GROUP }, { limit: 1 });
  const [first] = page.items;
  if (first === undefined) throw new Error('no submission');
  return first.value;
}

/** Ready, expanded, with a drain that waits. */
async function aWaitingSweep(): Promise<TestDeps> {
  const deps = rowsStay(coreDeps());
  await submit(deps);
  await deliver(deps, 'image', 'expand');
  await clearOutbox(deps);
  return deps;
}

async function aRunningSweep(): Promise<TestDeps> {
  const deps = await aWaitingSweep();
  await consume(deps, { kind: 'drain', lane: LANE });
  await observe(deps, 'RUNNING');
  return deps;
}

async function aFinishedSweep(): Promise<TestDeps> {
  const deps = await aRunningSweep();
  await observe(deps, 'SUCCEEDED');
  const { id } = await aSubmissionOf(deps);
  await changed(deps, { collection: 'submissions', id }, { openLane: null });
  await countsOf(deps, { kind: 'group', id: GROUP });
  await clearOutbox(deps);
  await deps.clock.advance(60_000);
  return deps;
}

async function observe(deps: TestDeps, state: 'RUNNING' | 'SUCCEEDED'): Promise<void> {
  deps.platform.observations = (await jobsNow(deps)).map(({ id, ref }) =>
    anObservation({
      jobId: id,
      ref: ref ?? '',
      state,
      ...(state === 'SUCCEEDED' ? { finishedAt: deps.clock.now(), exitCode: 0 } : {}),
    }),
  );
  await syncLane(deps, LANE, { full: false, wake: 'caller' });
}

/** Handles the waiting messages of a kind as a loop over the outbox does. */
async function handle(deps: TestDeps, kind: Message['kind']): Promise<void> {
  const rows = await deps.store.list('dueMessages', { parked: false }, { limit: 500 });
  for (const { key, value } of rows.items.filter((row) => row.value.message.kind === kind)) {
    await deps.clock.until(consume(deps, value.message));
    await deps.store.commit([{ op: 'delete', key }]);
  }
}

async function clearOutbox(deps: TestDeps): Promise<void> {
  const rows = await deps.store.list('dueMessages', { parked: false }, { limit: 500 });
  await deps.store.commit(rows.items.map(({ key }) => ({ op: 'delete', key })));
}

async function removed(deps: TestDeps, key: Key): Promise<void> {
  await deps.store.commit([{ op: 'delete', key }]);
}

async function withLastMove(
  deps: TestDeps,
  id: string,
  move: { readonly from: 'RUNNING' | 'QUEUED'; readonly to: 'QUEUED' | 'STOPPED' },
): Promise<void> {
  const { value } = await stored(deps, 'jobs', id);
  const history = [...value.history.slice(0, -1), { at: 0, cause: value.cause, ...move }];
  await changed(deps, { collection: 'jobs', id }, { history });
}

async function withFirstMove(
  deps: TestDeps,
  id: string,
  move: { readonly from: null; readonly to: 'RUNNING' },
): Promise<void> {
  const { value } = await stored(deps, 'jobs', id);
  const history = [{ at: 0, cause: value.cause, ...move }, ...value.history.slice(1)];
  await changed(deps, { collection: 'jobs', id }, { history });
}
