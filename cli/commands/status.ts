import type { ExperimentSummary, JobView } from '../../shared/api/jobs.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Client } from '../lib/client.ts';
import { type Connection, connectToRead } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';
import { createLiveBlock, sizeOf } from '../lib/live-block.ts';
import {
  countsLine,
  createExperimentLayout,
  groupLine,
  idWidthOf,
  recentLines,
} from './status-layout.ts';

const RECENT_JOBS = 8;
/** Jobs of one experiment that the service gives at most. */
const MAX_JOBS_EACH = 100;
/** Recent jobs are sorted into a tree in memory; more than this is no view for people. */
const MAX_RECENT = 10_000;
const WATCH_MS = 2_000;

/** `caliban status`. */
export async function run(ctx: Context): Promise<number> {
  const group = ctx.options.text('xgroup');
  const most = group === undefined ? `${MAX_RECENT} in all` : `${MAX_JOBS_EACH} of an experiment`;
  const maxJobs = ctx.options.integer('max_jobs', {
    min: -1e9,
    max: 1e9,
    told: `from 1 to ${most}, or 0 for as many as that`,
  });
  const view: View = { ctx, group, maxJobs };
  if (ctx.options.isSet('watch')) refuseUnwatchable(ctx);
  await using connection = await connectToRead(ctx);
  if (ctx.options.isSet('watch')) return watch(view, connection);
  if (ctx.json) await printJson(view, connection.client);
  else await printText(view, connection.client);
  return 0;
}

interface View {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly maxJobs: number | undefined;
}

async function printText(view: View, client: Client): Promise<void> {
  const { out } = view.ctx;
  for await (const lines of linesOf(view, client)) {
    if (lines.length > 0) await out.raw(`${lines.join('\n')}\n`);
  }
}

async function* linesOf(view: View, client: Client): AsyncGenerator<string[]> {
  if (view.group !== undefined) {
    yield* groupLines(view, client, view.group);
    return;
  }
  const limit = recentLimit(view);
  const { user, jobs, experiments } = await recent(client, limit);
  if (jobs.length === 0) {
    yield [`No recent jobs found for user ${user}.`];
    return;
  }
  const title = limit === Number.POSITIVE_INFINITY ? 'all jobs' : `most recent ${limit} jobs`;
  yield [`${title} for user ${user}:`, '', ...recentLines(jobs, experiments, placeOf(view))];
}

function placeOf({ ctx: { io } }: View) {
  return { home: io.home, width: io.stdout.isTTY === true ? sizeOf(io.stdout).columns : undefined };
}

// Page by page: a group may hold millions.
async function* groupLines(
  view: View,
  client: Client,
  reference: string,
): AsyncGenerator<string[]> {
  const { group, pages } = await readGroup(view, client, reference);
  yield [groupLine(group.name), countsLine(group.counts)];
  const layout = createExperimentLayout();
  let idWidth: number | undefined;
  for await (const page of pages) {
    const shown = page.map(({ jobs, ...experiment }) => ({ experiment, jobs }));
    idWidth = idWidthOf(shown, idWidth);
    yield layout(shown, { ...placeOf(view), idWidth, noJobs: '    no jobs found' });
  }
}

// The counts stand above the jobs and are asked for after the first of them: they must not be the older ones.
async function readGroup(view: View, client: Client, reference: string) {
  const rest = experimentPages(view, client, reference);
  const first = await rest.next();
  const group = await client.group(reference);
  const pages = async function* (): AsyncGenerator<ExperimentsOfPage> {
    if (first.done !== true) yield first.value;
    yield* rest;
  };
  return { group, pages: pages() };
}

type ExperimentsOfPage = Awaited<ReturnType<Client['experiments']>>['experiments'];

async function* experimentPages(
  { maxJobs = 1 }: View,
  client: Client,
  reference: string,
): AsyncGenerator<ExperimentsOfPage> {
  const each = maxJobs <= 0 ? MAX_JOBS_EACH : Math.min(maxJobs, MAX_JOBS_EACH);
  let cursor: string | undefined;
  do {
    const page = await client.experiments(reference, { cursor, maxJobs: each });
    yield page.experiments;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}

interface Recent {
  readonly user: string;
  readonly jobs: JobView[];
  readonly experiments: ExperimentSummary[];
}

async function recent(client: Client, limit: number): Promise<Recent> {
  const { principal } = await client.service();
  const wanted = Math.min(limit, MAX_RECENT);
  const jobs: JobView[] = [];
  const experiments = new Map<string, ExperimentSummary>();
  let cursor: string | undefined;
  do {
    const page = await client.recentJobs({
      cursor,
      limit: Math.min(wanted - jobs.length, LIMITS.pageItems),
    });
    jobs.push(...page.jobs);
    for (const experiment of page.experiments) experiments.set(experiment.id, experiment);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && jobs.length < wanted);
  return { user: principal.id, jobs, experiments: [...experiments.values()] };
}

function recentLimit({ maxJobs = RECENT_JOBS }: View): number {
  return maxJobs <= 0 ? Number.POSITIVE_INFINITY : maxJobs;
}

async function printJson(view: View, client: Client): Promise<void> {
  const { out } = view.ctx;
  if (view.group === undefined) {
    await out.json(await recent(client, recentLimit(view)));
    return;
  }
  const { group, pages } = await readGroup(view, client, view.group);
  await out.raw(`{"group":${JSON.stringify(group)},"experiments":[`);
  let separator = '\n';
  for await (const page of pages) {
    for (const experiment of page) {
      await out.raw(`${separator}${JSON.stringify(experiment)}`);
      separator = ',\n';
    }
  }
  await out.raw('\n]}\n');
}

function refuseUnwatchable({ out, json }: Context): void {
  if (out.interactive && !json) return;
  throw new AppError('USAGE', '--watch redraws a terminal; here is none.', {
    hint: 'Leave --watch out, or follow a submission with: caliban cloud --wait',
  });
}

async function watch(view: View, { client }: Connection): Promise<number> {
  const { io } = view.ctx;
  const block = createLiveBlock(io.stdout);
  const rows = Math.max(3, sizeOf(io.stdout).rows - 2);
  try {
    for (;;) {
      const lines: string[] = [];
      for await (const part of linesOf(view, client)) {
        lines.push(...part);
        if (lines.length > rows) break;
      }
      const cut =
        lines.length > rows ? [...lines.slice(0, rows - 1), '… more: leave --watch out'] : lines;
      block.draw(cut);
      await io.clock.sleep(WATCH_MS, io.signal);
    }
  } catch (error) {
    if (io.signal.aborted) return 0;
    throw error;
  }
}
