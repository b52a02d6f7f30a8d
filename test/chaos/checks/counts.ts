import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { runCli } from '../real-cli.ts';
import type { Stage } from '../stage.ts';
import { type Check, check } from './check.ts';
import type { Evidence } from './evidence.ts';

const count = z.number();
const statusJson = z.object({
  group: z.object({
    counts: z.object({
      SUBMITTED: count,
      RUNNING: count,
      SUCCEEDED: count,
      FAILED: count,
      STOPPED: count,
      UNKNOWN: count,
      at: z.iso.datetime(),
    }),
  }),
  experiments: z.array(
    z.object({ jobs: z.array(z.object({ id: z.string(), state: z.string() })) }),
  ),
});

type Told = z.infer<typeof statusJson>;

const STATES = ['SUBMITTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED', 'UNKNOWN'] as const;
/** Counts may be some seconds old; they say how old. */
const CATCH_UP_MS = 15_000;

/** `caliban status --json` of every group says what a recount of the rows and of the attempts' files says. */
export async function checkCounts(
  stage: Pick<Stage, 'serve' | 'home'>,
  evidence: Evidence,
  source: string,
): Promise<Check> {
  const wrong: string[] = [];
  const groups = new Map(evidence.submissions.map(({ groupId: id, groupName }) => [id, groupName]));
  for (const [id, name] of groups) {
    const told = await statusOf(stage, name, evidence.quietAt);
    wrong.push(...differences(name, told, recount(evidence, id)));
  }
  return check(
    `status --json ${source} is what rows and attempt files say`,
    `${groups.size} groups, ${evidence.jobs.length} jobs`,
    wrong,
  );
}

async function statusOf(
  stage: Pick<Stage, 'serve' | 'home'>,
  group: string,
  quietAt: number,
): Promise<Told> {
  const until = Date.now() + CATCH_UP_MS;
  for (;;) {
    const ran = await runCli(stage, ['status', '--xgroup', group, '--max_jobs', '0', '--json']);
    if (ran.status !== 0) throw new Error(`status of ${group}: ${ran.status} ${ran.stderr}`);
    const told = statusJson.parse(JSON.parse(ran.stdout));
    const isRecent = Date.parse(told.group.counts.at) >= quietAt;
    const isSettled = told.group.counts.SUBMITTED + told.group.counts.RUNNING === 0;
    if (isRecent || isSettled || Date.now() > until) return told;
    await sleep(200);
  }
}

interface Recount {
  /** Ids of jobs with the state of the row. */
  readonly rows: ReadonlyMap<string, string>;
  /** The same from the files of the last attempt; a job without any was ended before it had one. */
  readonly files: ReadonlyMap<string, string>;
}

function recount({ jobs, attempts }: Evidence, groupId: string): Recount {
  const own = jobs.filter((job) => job.groupId === groupId);
  const ends = new Map(attempts.map(({ jobId, end }) => [jobId, end]));
  return {
    rows: new Map(own.map(({ id, state }) => [id, state])),
    files: new Map(own.map(({ id }) => [id, ends.get(id) ?? 'STOPPED'])),
  };
}

function differences(
  name: string,
  { group, experiments }: Told,
  { rows, files }: Recount,
): readonly string[] {
  const told = new Map(experiments.flatMap(({ jobs }) => jobs).map(({ id, state }) => [id, state]));
  const wrong: string[] = [];
  for (const [id, state] of rows) {
    if (told.get(id) !== state) wrong.push(`${id}: status ${told.get(id)}, row ${state}`);
    if (files.get(id) !== state) wrong.push(`${id}: files ${files.get(id)}, row ${state}`);
  }
  if (told.size !== rows.size) {
    wrong.push(`${name}: status lists ${told.size} of ${rows.size} jobs`);
  }
  const counted = Map.groupBy(rows.values(), (state) => state);
  for (const state of STATES) {
    const inRows = counted.get(state)?.length ?? 0;
    const shown = group.counts[state];
    if (shown !== inRows) wrong.push(`${name}: status counts ${shown} ${state}, rows ${inRows}`);
  }
  return wrong;
}
