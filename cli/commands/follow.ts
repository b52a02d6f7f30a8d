import type { JobView } from '../../shared/api/jobs.ts';
import type { SubmissionView } from '../../shared/api/submissions.ts';
import type { Client } from '../lib/client.ts';
import type { Context } from '../lib/context.ts';
import { createLiveBlock, formatDuration, progressBar } from '../lib/live-block.ts';
import { printable } from '../lib/output.ts';
import { countsLine } from './status-layout.ts';

const POLL_MS = 1_000;
/** Without a terminal a line is printed for a change, but not more often than this. */
const LINE_MS = 5_000;
/** The rate is that of the recent past. */
const RATE_WINDOW_MS = 30_000;
/** A shorter preparation is not told. */
const PREPARING_MS = 1_000;
/** Failures named; the rest are counted. */
const SHOWN_FAILURES = 5;

/** How following ended; `detached`: the user left before the end. */
export interface Followed {
  readonly view: SubmissionView;
  readonly detached: boolean;
}

/** Shows a submission's progress until every job has ended or the user leaves. */
export async function follow(
  ctx: Context,
  client: Client,
  accepted: SubmissionView,
): Promise<Followed> {
  const { clock, signal } = ctx.io;
  const rate = createRate();
  const failures = createFailures(client, accepted);
  const preparing = createPreparing();
  const show = ctx.out.interactive && !ctx.json ? createTerminalView(ctx) : createLineView(ctx);
  let view = accepted;
  try {
    for (;;) {
      const perMs = rate(clock.now(), endedOf(view));
      const failed = await failures(view);
      const now = clock.now();
      show({ view, perMs, failed, now, preparing: preparing(now, view) });
      if (view.done) break;
      await clock.sleep(POLL_MS, signal);
      view = await client.submission(accepted.id);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return { view, detached: true };
  }
  tellFailures(ctx, view, await failures(view));
  return { view, detached: false };
}

interface Frame {
  readonly view: SubmissionView;
  /** Jobs that ended in a millisecond. */
  readonly perMs: number;
  readonly failed: readonly JobView[];
  readonly now: number;
  /** The image or environment takes a while. */
  readonly preparing: boolean;
}

function createTerminalView({ io, out }: Context): (frame: Frame) => void {
  const block = createLiveBlock(io.stderr);
  const startedAt = io.clock.now();
  return (frame) => {
    const { view, failed, now } = frame;
    if (view.done) {
      block.clear();
      return;
    }
    const ended = endedOf(view);
    const speed = frame.perMs === 0 ? '' : `  ${rateText(frame.perMs)}${etaText(frame)}`;
    block.draw([
      `${out.style('bold', printable(view.group.name))}  ${formatDuration(now - startedAt)}  (Ctrl-C leaves, the jobs go on)`,
      `  ${progressBar(ended / Math.max(1, view.jobs), 24)} ${ended} of ${view.jobs} ended${speed}`,
      `  ${stateText(frame) ?? 'accepted'}`,
      ...failed.map((job) => out.style('red', failureLine(job))),
    ]);
  };
}

function createLineView({ out }: Context): (frame: Frame) => void {
  let shown = '';
  let shownAt = Number.NEGATIVE_INFINITY;
  return (frame) => {
    const { view, now } = frame;
    const line = stateText(frame);
    // How it ended is told by whoever asked to follow.
    if (view.done || line === undefined || line === shown || now - shownAt < LINE_MS) return;
    shown = line;
    shownAt = now;
    out.note(line);
  };
}

function tellFailures({ out }: Context, view: SubmissionView, failed: readonly JobView[]): void {
  if (view.image.state === 'failed') {
    out.note(
      `${out.style('red', 'error:')} ${printable(view.image.message ?? 'the image failed')}`,
    );
    return;
  }
  for (const job of failed) out.note(failureLine(job));
  const more = view.counts.FAILED - failed.length;
  if (failed.length > 0 && more > 0) out.note(`  and ${more} more failed`);
}

// Asks for the first failed jobs only when there are more of them to name.
function createFailures(
  client: Client,
  { id }: SubmissionView,
): (view: SubmissionView) => Promise<readonly JobView[]> {
  let known: readonly JobView[] = [];
  return async ({ counts }) => {
    if (known.length < Math.min(counts.FAILED, SHOWN_FAILURES)) {
      const page = { state: 'FAILED', limit: SHOWN_FAILURES } as const;
      known = (await client.submissionJobs(id, page)).jobs;
    }
    return known;
  };
}

// Most submissions need nothing prepared; only a wait that a person notices is worth a word.
function createPreparing(): (now: number, view: SubmissionView) => boolean {
  let since: number | undefined;
  return (now, { image }) => {
    since = image.state === 'waiting' ? (since ?? now) : undefined;
    return since !== undefined && now - since > PREPARING_MS;
  };
}

function createRate(): (now: number, ended: number) => number {
  const samples: { at: number; ended: number }[] = [];
  return (now, ended) => {
    samples.push({ at: now, ended });
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > RATE_WINDOW_MS) samples.shift();
    const first = samples[0];
    return first === undefined || first.at === now ? 0 : (ended - first.ended) / (now - first.at);
  };
}

function endedOf({ counts }: SubmissionView): number {
  return counts.SUCCEEDED + counts.FAILED + counts.STOPPED;
}

function stateText({ view, preparing }: Frame): string | undefined {
  if (view.image.state === 'waiting' && view.image.message !== null) {
    return `waits: ${printable(view.image.message)}`;
  }
  if (preparing) return 'preparing the image or environment';
  if (view.image.state === 'waiting') return undefined;
  return view.expanded ? countsLine(view.counts) : `${countsLine(view.counts)} (of ${view.jobs})`;
}

function rateText(perMs: number): string {
  const perSecond = perMs * 1_000;
  return perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(perSecond * 60).toFixed(1)}/min`;
}

function etaText({ view, perMs }: Frame): string {
  return `, about ${formatDuration((view.jobs - endedOf(view)) / perMs)} left`;
}

function failureLine({ id, cause }: JobView): string {
  return `  failed: ${printable(cause.message)}  caliban logs ${id}`;
}
