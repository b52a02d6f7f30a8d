import { test } from 'vitest';
import { put } from '../../../../functions/ports/store.ts';
import { checkPage } from '../../../../shared/api/check.ts';
import { errorBody } from '../../../../shared/api/error.ts';
import { type ApiBench, createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';

const PATH = '/v1/admin/check';
const token = 'token-of-root';

test('only an admin may ask for a check', async ({ expect }) => {
  const { send } = createApiBench();
  for (const other of ['token-of-ada', 'token-of-eve']) {
    const refused = await send(PATH, { token: other });
    expect(refused.status).toBe(403);
    expect(errorBody.parse(await refused.json()).error.code).toBe('FORBIDDEN');
  }
  expect((await send(PATH, { token })).status).toBe(200);
});

test('sound records give no difference, and how many things were looked at', async ({ expect }) => {
  const bench = await benchWithSweep();
  const { differences, looked } = await wholeCheck(bench);
  expect(differences).toEqual([]);
  expect(looked).toMatchObject({ groups: 1, submissions: 1, chunks: 1, jobs: 2 });
});

test('a difference says what, where, what should be and what to do', async ({ expect }) => {
  const bench = await benchWithSweep();
  const [job] = (await bench.deps.store.list('recentJobs', {}, { limit: 1 })).items;
  if (job === undefined) throw new Error('no job');
  await bench.deps.store.commit([put(job.key, { ...job.value, live: false })]);
  const { differences } = await wholeCheck(bench);
  expect(differences).toContainEqual({
    kind: 'job',
    subject: `job ${job.key.id}`,
    ids: { jobId: job.key.id, submissionId: job.value.submissionId },
    found: 'RUNNING, and live is false',
    expected: 'live until the state is final',
    fix: expect.stringMatching(/restore a backup/),
  });
});

test('a check goes on where its part ended, with the stages of its host', async ({ expect }) => {
  const places: unknown[] = [];
  const stage = {
    name: 'files',
    async *units(after: readonly (string | number)[] | null) {
      places.push(after);
      const from = after === null ? 0 : Number(after[0]) + 1;
      for (let at = from; at < 3; at++) {
        yield { place: [at], looked: { files: 5_000 }, differences: [], again: async () => [] };
      }
    },
  };
  const bench = createApiBench({ api: { check: { stages: [stage], pauseMs: 0 } } });
  const { looked, parts } = await wholeCheck(bench);
  expect(looked).toMatchObject({ files: 15_000 });
  expect(places).toEqual([null, [0], [1], [2]]);
  expect(parts).toBe(4);
});

test.for([
  'x',
  Buffer.from('{"stage":"jobs"}').toString('base64url'),
  Buffer.from('{"stage":"jobs","after":[[]]}').toString('base64url'),
  Buffer.from('{"stage":"other","after":null}').toString('base64url'),
  Buffer.from('{ "stage":"jobs","after":null}').toString('base64url'),
])('the cursor %s is refused', async (cursor, { expect }) => {
  const { send } = createApiBench();
  const refused = await send(`${PATH}?cursor=${cursor}`, { token });
  expect(refused.status).toBe(422);
  expect(errorBody.parse(await refused.json()).error.code).toBe('CURSOR_INVALID');
});

async function benchWithSweep(): Promise<ApiBench> {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'key');
  await bench.work();
  await bench.later();
  return bench;
}

async function wholeCheck(bench: ApiBench) {
  const differences: unknown[] = [];
  const looked: Record<string, number> = {};
  let parts = 0;
  let cursor = '';
  do {
    const answer = await bench.send(`${PATH}${cursor}`, { token });
    const page = checkPage.parse(await answer.json());
    differences.push(...page.differences);
    for (const [name, count] of Object.entries(page.looked)) {
      looked[name] = (looked[name] ?? 0) + count;
    }
    cursor = page.next === null ? '' : `?cursor=${page.next}`;
    parts++;
  } while (cursor !== '');
  return { differences, looked, parts };
}
