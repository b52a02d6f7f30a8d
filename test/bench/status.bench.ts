import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { groupIdOf } from '../../functions/core/ids.ts';
import { DEFAULT_TIMING } from '../../functions/core/timing.ts';
import type { ExperimentDoc } from '../../functions/ports/documents.ts';
import { put, type Store, type Write } from '../../functions/ports/store.ts';
import type { JobState } from '../../shared/jobs/job-state.ts';
import { aJob, aLane, aSubmission } from '../doubles/builders.ts';
import { systemClock } from '../fixtures/system-clock.ts';
import { type BenchService, benchFolder, startService } from './bench-service.ts';
import { compare, ms, report } from './measure.ts';
import { sizes } from './sizes.ts';

// `caliban status` and pages of a group, with many jobs against few, in groups of the same size. Half of the jobs wait, so that no
// count is settled, and each round begins when what was counted in the last is too old.
const { jobs, few, groups, rounds } = sizes({ jobs: 100_000, few: 1_000, groups: 200, rounds: 4 });
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const OWNER = userInfo().username;
const LANE = 'closed';
const STATES: readonly JobState[] = ['QUEUED', 'SUCCEEDED', 'QUEUED', 'FAILED'];

const EACH = Math.ceil(jobs / groups);
const FEW_GROUPS = Math.ceil(few / EACH);

async function fill(store: Store, groupCount: number): Promise<void> {
  await store.commit([put({ collection: 'lanes', id: LANE }, aLane({ id: LANE }))]);
  for (let group = 0; group < groupCount; group++) {
    const groupId = groupIdOf(OWNER, `group-${group}`);
    const submissionId = `submission-${group}`;
    const times = { createdAt: group, acceptedAt: group };
    const home = { groupId, owner: OWNER, lane: LANE };
    const doc = { ...home, id: submissionId, groupName: `group-${group}`, count: EACH };
    const groupDoc = { schemaVersion: 1, id: groupId, owner: OWNER, name: `group-${group}` };
    let writes: Write[] = [
      put({ collection: 'groups', id: groupId }, { ...groupDoc, createdAt: group }),
      put(
        { collection: 'submissions', id: submissionId },
        aSubmission({ ...doc, acceptedAt: times.acceptedAt, openLane: null }),
      ),
    ];
    for (let index = 0; index < EACH; index++) {
      writes.push(...jobAndExperiment({ ...home, submissionId, index, group }));
      if (writes.length < 400) continue;
      await store.commit(writes);
      writes = [];
    }
    await store.commit(writes);
  }
}

function jobAndExperiment(of: {
  readonly groupId: string;
  readonly owner: string;
  readonly lane: string;
  readonly submissionId: string;
  readonly index: number;
  readonly group: number;
}): Write[] {
  const { groupId, owner, lane, submissionId, index, group } = of;
  const order = `${String(group).padStart(6, '0')}-${String(index).padStart(8, '0')}`;
  const experimentId = `${submissionId}-e${index}`;
  const facets = [`flag:lr=${index}`, `flag:seed=${index % 10}`];
  const state = STATES[index % STATES.length] ?? 'QUEUED';
  const job = aJob({
    ...{ groupId, owner, lane, submissionId, index, experimentId, facets, order, state },
    flags: ['--lr', String(index), '--seed', String(index % 10)],
  });
  const experiment: ExperimentDoc = {
    schemaVersion: 1,
    id: experimentId,
    groupId,
    owner,
    environment: aSubmission().environment,
    module: 'train.py',
    scriptPath: 'train.py',
    scriptArgs: [],
    flags: [['lr', String(index)]],
    facets,
    order,
    createdAt: job.createdAt,
  };
  return [
    put({ collection: 'jobs', id: job.id }, job),
    put({ collection: 'experiments', id: experimentId }, experiment),
  ];
}

async function serviceWith(groupCount: number): Promise<BenchService> {
  const dataDir = await benchFolder();
  const store = await openSqliteStore({ path: join(dataDir, 'service.db'), clock: systemClock });
  await fill(store, groupCount);
  store.close();
  return startService({ slots: 1, dataDir });
}

function cli({ dataDir }: BenchService, words: readonly string[]) {
  return async (): Promise<void> => {
    const child = spawn(process.execPath, [MAIN, ...words, '--data_dir', dataDir], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, CALIBAN_HOME: dataDir, CALIBAN_ENDPOINT: '', CALIBAN_TOKEN: '' },
    });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`);
  };
}

const large = await serviceWith(groups);
const small = await serviceWith(FEW_GROUPS);
const pause = () => sleep(DEFAULT_TIMING.countsMs + 100);
try {
  const subjects = (service: BenchService, group: string): Record<string, () => unknown> => ({
    '`caliban status`': cli(service, ['status']),
    [`\`caliban status --xgroup\` of a group`]: cli(service, ['status', '--xgroup', group]),
    'the page of a group': () => service.get(`/v1/groups/${group}`),
    'a page of a group’s jobs': () => service.get(`/v1/groups/${group}/jobs?limit=100`),
    'a page of a group’s waiting jobs': () =>
      service.get(`/v1/groups/${group}/jobs?limit=100&state=QUEUED`),
    'the most recent jobs': () => service.get('/v1/jobs?limit=100'),
  });
  const slow = subjects(large, `group-${groups - 1}`);
  const fast = subjects(small, `group-${FEW_GROUPS - 1}`);
  const many = `with ${jobs.toLocaleString('en')} jobs in ${groups} groups (\`status\`)`;
  for (const [name, body] of Object.entries(slow)) {
    const pair = { large: body, small: fast[name] ?? body };
    const isCounted = name.includes('the page');
    const times = await (isCounted ? compare(rounds, { pause, ...pair }) : compare(15, pair));
    const { large: took = 0, small: baseline = 1 } = times;
    report({
      what: `${name} ${many}`,
      ratio: took / baseline,
      target: '≤ 1.5, ≤ 1 s',
      measured: ms(took),
      baseline: `${few.toLocaleString('en')} jobs in ${FEW_GROUPS} groups of the same size: ${ms(baseline)}`,
    });
  }
  const all = () => large.get(`/v1/groups?limit=${groups}`);
  const { counted = 0, again = 1 } = await compare(rounds, { pause, counted: all, again: all });
  report({
    what: `the page of all groups ${many}, all counted anew`,
    ratio: counted / again,
    target: '≤ 1 s',
    measured: ms(counted),
    baseline: `the same page again at once: ${ms(again)}`,
  });
} finally {
  await large.close();
  await small.close();
}
