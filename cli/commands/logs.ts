import type { JobView } from '../../shared/api/jobs.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { isTerminal } from '../../shared/jobs/job-state.ts';
import { type Client, LOG_CURSOR_HEADER, LOG_ENDED_HEADER } from '../lib/client.ts';
import { connectToRead } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';
import { printable, StdoutClosed } from '../lib/output.ts';

/** Between two looks at a job that wrote nothing. */
const QUIET_MS = 1_000;
/** Breaks in a row without a byte between them before giving up. */
const MAX_BREAKS = 5;

/** `caliban logs JOB`: the text goes to stdout as it is. */
export async function run(ctx: Context): Promise<number> {
  const jobId = ctx.words[0] ?? '';
  await using connection = await connectToRead(ctx);
  const { client } = connection;
  const log = createLogReader(ctx, client, jobId);
  const source = { client, jobId, log };
  if (ctx.options.isSet('follow') && connection.live) await followJob(ctx, source);
  else await readSoFar(ctx, source);
  return 0;
}

interface Source {
  readonly client: Client;
  readonly jobId: string;
  readonly log: LogReader;
}

async function readSoFar(ctx: Context, { client, jobId, log }: Source): Promise<void> {
  await log.catchUp();
  const job = await client.job(jobId);
  tellState(ctx, job, log.printed());
  if (isTerminal(job.stage) && log.mayGrow()) {
    ctx.out.note(
      `Its last lines may not be here yet. Wait for them: caliban logs ${jobId} --follow`,
    );
  }
}

async function followJob(ctx: Context, { client, jobId, log }: Source): Promise<void> {
  let told = '';
  for (;;) {
    // Asked before reading: what a job wrote before it ended is then surely read.
    const job = await client.job(jobId);
    await log.catchUp();
    if (isTerminal(job.stage)) {
      await readLastLines(ctx, log);
      tellState(ctx, job, log.printed());
      return;
    }
    const before = log.printed();
    if (before === 0 && hasNotStarted(job) && job.cause.message !== told) {
      told = job.cause.message;
      tellState(ctx, job, before);
    }
    await log.follow();
    if (log.printed() === before) await ctx.io.clock.sleep(QUIET_MS, ctx.io.signal);
  }
}

async function readLastLines({ out }: Context, log: LogReader): Promise<void> {
  if (!log.mayGrow()) return;
  out.note('The job has ended; waiting for its last lines.');
  await log.follow();
}

// What ended a job is often not in what it printed, and silence has a reason.
function tellState({ out }: Context, job: JobView, printed: number): void {
  const { id, stage, state, cause } = job;
  const why = printable(cause.message.trim());
  const isSilent = printed === 0;
  if (isSilent && hasNotStarted(job)) out.note(`Job ${id} has not started (${state}): ${why}`);
  else if (isSilent && neverStarted(job)) out.note(`Job ${id} never started (${state}): ${why}`);
  else if (stage === 'FAILED') out.note(`Job ${id} FAILED: ${why}`);
  else if (isSilent && isTerminal(stage)) out.note(`Job ${id} printed nothing (${state}): ${why}`);
  else if (isSilent) out.note(`Job ${id} has printed nothing yet (${state}): ${why}`);
}

function hasNotStarted({ stage, startedAt }: JobView): boolean {
  return startedAt === null && WAITING.has(stage);
}

// One that its platform took may have run without being seen.
function neverStarted({ stage, startedAt, ref }: JobView): boolean {
  return isTerminal(stage) && startedAt === null && ref === null;
}

const WAITING: ReadonlySet<JobView['stage']> = new Set(['QUEUED', 'SUBMITTING', 'SUBMITTED']);

/** What was read of an answer. */
interface Piece {
  readonly end: 'whole' | 'broken';
  readonly bytes: number;
}

interface LogReader {
  /** Prints everything written so far. */
  catchUp(): Promise<void>;
  /** Prints what is being written, until the stream ends or breaks. */
  follow(): Promise<void>;
  /** Bytes printed so far. */
  printed(): number;
  /** Whether more may come, as the last look said. */
  mayGrow(): boolean;
}

/**
 * Reads a log without losing or repeating a byte: only a plain answer tells its end by a cursor, so bytes that came
 * behind the last cursor are counted and skipped when they come again.
 */
function createLogReader(ctx: Context, client: Client, jobId: string): LogReader {
  let since = '';
  let ahead = 0;
  let total = 0;
  let mayGrow = false;

  const print = async (response: Response): Promise<Piece> => {
    let skip = ahead;
    let bytes = 0;
    try {
      for await (const chunk of response.body ?? []) {
        bytes += chunk.length;
        const fresh = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - fresh.length;
        await ctx.out.raw(fresh);
        ahead += fresh.length;
        total += fresh.length;
      }
      return { end: 'whole', bytes };
    } catch (error) {
      if (error instanceof StdoutClosed) throw error;
      ctx.io.signal.throwIfAborted();
      return { end: 'broken', bytes };
    }
  };
  const readOnce = async (): Promise<'more' | 'end' | 'broken'> => {
    const response = await client.logs(jobId, { since, follow: false });
    const cursor = response.headers.get(LOG_CURSOR_HEADER);
    mayGrow = response.headers.get(LOG_ENDED_HEADER) === 'false';
    const { end, bytes } = await print(response);
    if (end === 'broken') return 'broken';
    if (cursor === null || cursor === since) return 'end';
    since = cursor;
    // A piece may be less than what was followed: the rest of that comes again with the next.
    ahead = Math.max(0, ahead - bytes);
    return 'more';
  };
  const catchUp = async (): Promise<void> => {
    for (let breaks = 0; breaks <= MAX_BREAKS; ) {
      const before = total;
      const read = await readOnce();
      if (read === 'end') return;
      breaks = read === 'broken' && total === before ? breaks + 1 : 0;
    }
    throw new AppError('UNAVAILABLE', 'The connection breaks again and again.', {
      hint: `Try again: caliban logs ${jobId}`,
    });
  };
  return {
    catchUp,
    async follow() {
      await print(await client.logs(jobId, { since, follow: true }));
    },
    printed: () => total,
    mayGrow: () => mayGrow,
  };
}
