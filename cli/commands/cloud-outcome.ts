import type { SubmissionView } from '../../shared/api/submissions.ts';
import { EXIT } from '../../shared/errors/catalog.ts';
import { shellLine } from '../../shared/text/shell-quote.ts';
import type { Client } from '../lib/client.ts';
import type { Context } from '../lib/context.ts';
import { printable } from '../lib/output.ts';
import { follow } from './follow.ts';
import { countsLine } from './status-layout.ts';

interface Accepted {
  readonly accepted: SubmissionView;
  /** As the user named it. */
  readonly group: string;
}

/** Tells what was accepted, follows it where that is wanted, and gives the exit status. */
export async function afterAcceptance(
  ctx: Context,
  client: Client,
  { accepted, group }: Accepted,
): Promise<number> {
  const { out, json } = ctx;
  const { jobs, platform } = accepted;
  const name = printable(accepted.group.name);
  if (!json) await out.line(`${jobsText(jobs)} accepted in group ${name} on ${platform}`);
  if (!waits(ctx)) {
    if (json) await out.json(accepted);
    else out.note(`See them with: ${statusLine(group)}`);
    return 0;
  }
  const { view, detached } = await follow(ctx, client, accepted);
  if (!detached) return outcome(ctx, view, group);
  const stopLine = shellLine(['caliban', 'stop', '--xgroup', group]);
  out.note(
    `Left; the jobs go on. See them with: ${statusLine(group)}\nStop them with: ${stopLine}`,
  );
  return out.interactive ? 0 : EXIT.interrupted;
}

/** A number of jobs in words. */
export function jobsText(jobs: number): string {
  return jobs === 1 ? '1 job' : `${jobs} jobs`;
}

function waits({ out, options, json }: Context): boolean {
  if (options.isSet('wait')) return true;
  return out.interactive && !json && !options.isSet('no_wait');
}

async function outcome(ctx: Context, view: SubmissionView, group: string): Promise<number> {
  const { out, json } = ctx;
  if (json) await out.json(view);
  else await out.line(countsLine(view.counts));
  if (view.image.state === 'failed') return EXIT.build;
  if (view.counts.FAILED === 0) return 0;
  out.note(`All of them: ${statusLine(group)}`);
  return EXIT.jobFailed;
}

function statusLine(group: string): string {
  return shellLine(['caliban', 'status', '--xgroup', group]);
}
