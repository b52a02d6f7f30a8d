import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { destination, pino, stdTimeFunctions } from 'pino';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { createMeters } from '../../functions/core/meters.ts';
import { tellMove } from '../../functions/core/tell-move.ts';
import { openServiceLog } from '../../functions/embedded/service-log.ts';
import { put } from '../../functions/ports/store.ts';
import { systemClock, systemRandom } from '../../functions/runtime/system.ts';
import { JOB_STATES, type JobState } from '../../shared/jobs/job-state.ts';
import { createApiBench } from '../doubles/api-bench.ts';
import { aJob } from '../doubles/builders.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import { compare, report } from './measure.ts';

// What it costs to be told what goes on: the log of a job and of a request, and the numbers of a big store.
const JOBS = 100_000;
const dir = await mkdtemp(join(tmpdir(), 'caliban-bench-'));
const log = openServiceLog({
  path: join(dir, 'service.log'),
  secrets: ['token-of-a-bench-0123456789'],
});
await jobLog();
await requestLog();
await numbers();
log.close();
await rm(dir, { recursive: true });

// The lines of a job from its claim to its end, against the same as text written line by line.
async function jobLog(): Promise<void> {
  const deps = { log, meters: createMeters() };
  const cause = { code: 'started', message: 'Started.' } as const;
  const moves: readonly (readonly [JobState, JobState])[] = [
    ['QUEUED', 'SUBMITTING'],
    ['SUBMITTING', 'SUBMITTED'],
    ['SUBMITTED', 'RUNNING'],
    ['RUNNING', 'SUCCEEDED'],
  ];
  const jobs = moves.map(([from, to]) =>
    aJob({ id: '02c34f54b261f79c239b-15', state: to, history: [{ at: 0, from, to, cause }] }),
  );
  const file = destination({ dest: join(dir, 'sync.log'), sync: true });
  const direct = pino({ messageKey: 'message', timestamp: stdTimeFunctions.isoTime }, file);
  const rounds = 1_000;
  const times = await compare(40, {
    ours: () => {
      for (let n = 0; n < rounds; n++) for (const job of jobs) tellMove(deps, job);
    },
    direct: () => {
      for (let n = 0; n < rounds; n++) {
        for (const { id: jobId, submissionId, attempt, state, ref } of jobs) {
          const fields = { jobId, submissionId, attempt, from: state, to: state, ref };
          direct.info({ ...fields, cause: cause.code }, 'job moved');
        }
      }
    },
  });
  const { ours = 0, direct: written = 1 } = times;
  const each = (total: number) => `${((total / rounds) * 1_000).toFixed(1)} µs`;
  report({
    what: 'the log of a job, four lines and counts (`operating`)',
    ratio: ours / written,
    measured: each(ours),
    baseline: `the same lines written by pino alone: ${each(written)}`,
  });
}

// A request of the smallest kind, with its line in the log, against the same without a log.
async function requestLog(): Promise<void> {
  const common = { clock: systemClock, random: systemRandom };
  const logged = createApiBench({ deps: { ...common, log } });
  const silent = createApiBench({ deps: { ...common, log: SILENT_LOG } });
  const rounds = 500;
  const ask = (bench: typeof logged) => async () => {
    for (let n = 0; n < rounds; n++) await (await bench.send('/v1/me')).text();
  };
  const { with: ours = 0, without = 1 } = await compare(40, {
    with: ask(logged),
    without: ask(silent),
  });
  const each = (ms: number) => `${((ms / rounds) * 1_000).toFixed(1)} µs`;
  report({
    what: 'a request of the smallest kind, with its line in the log',
    ratio: ours / without,
    measured: each(ours),
    baseline: `without a log: ${each(without)}`,
  });
}

// All of /metrics with nothing remembered, against a page of 100 jobs from the same store.
async function numbers(): Promise<void> {
  const store = await openSqliteStore({ path: join(dir, 'service.db'), clock: systemClock });
  for (let from = 0; from < JOBS; from += 500) {
    const indexes = Array.from({ length: 500 }, (_, at) => from + at);
    await store.commit(indexes.map((index) => put(keyOf(index), jobAt(index))));
  }
  let now = Date.now();
  const clock = { ...systemClock, now: () => now };
  const bench = createApiBench({ deps: { store, clock } });
  const { metrics = 0, page = 1 } = await compare(40, {
    metrics: async () => {
      now += 3_600_000;
      const answer = await bench.send('/metrics');
      if (answer.status !== 200) throw new Error(await answer.text());
      await answer.text();
    },
    page: async () => (await bench.send('/v1/jobs?limit=100')).text(),
  });
  await store.close();
  report({
    what: `\`/metrics\` with ${JOBS} jobs, nothing remembered`,
    ratio: metrics / page,
    measured: `${metrics.toFixed(1)} ms`,
    baseline: `a page of 100 jobs of the same store: ${page.toFixed(1)} ms`,
  });
}

function keyOf(index: number) {
  return { collection: 'jobs', id: `job-${index}` } as const;
}

// Four in five have succeeded, as in a store of some age.
function jobAt(index: number) {
  const state = index % 5 > 0 ? 'SUCCEEDED' : (JOB_STATES[index % JOB_STATES.length] ?? 'QUEUED');
  const facets = ['flag:lr=0.1', 'flag:seed=1'];
  return aJob({ id: `job-${index}`, index, state, lane: 'process:here', facets });
}
