import type { GroupView, StopView } from '../../shared/api/groups.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { EXIT } from '../../shared/errors/catalog.ts';
import { connectOrStart } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';
import { printable } from '../lib/output.ts';
import { confirm, linesOf } from '../lib/prompt.ts';

/** `caliban stop --xgroup G`. */
export async function run(ctx: Context): Promise<number> {
  const { options, out, json } = ctx;
  const reference = options.text('xgroup');
  if (reference === undefined) {
    throw new AppError('USAGE', 'caliban stop needs --xgroup GROUP.', {
      hint: 'See your groups with: caliban status',
    });
  }
  await using connection = await connectOrStart(ctx);
  const { client } = connection;
  const group = await client.group(reference);
  const plan = await client.stopGroup(group.id, true);
  const jobs = jobsOf(plan);
  if (options.isSet('dry_run') || jobs === 0) {
    if (json) await out.json({ group, stop: plan });
    else await out.line(planText(group, plan));
    return 0;
  }
  if (!json) out.note(planText(group, plan));
  const answer = await agreed(ctx, jobs);
  if (answer !== 'yes') {
    out.note('Nothing was stopped.');
    return answer === 'no' ? 0 : EXIT.interrupted;
  }
  const stopped = await client.stopGroup(group.id, false);
  if (json) await out.json({ group, stop: stopped });
  else {
    await out.line(`stopping ${jobsText(jobsOf(stopped))} of ${printable(group.name)}`);
    out.note(`This may take a while. See: caliban status --xgroup ${reference}`);
  }
  return 0;
}

async function agreed(
  { io, out, options }: Context,
  jobs: number,
): Promise<'yes' | 'no' | 'interrupted'> {
  if (options.isSet('yes')) return 'yes';
  if (!out.interactive || io.stdin.isTTY !== true) {
    throw new AppError('USAGE', `This would stop ${jobsText(jobs)}; there is no terminal to ask.`, {
      hint: 'Answer in advance with --yes, or look with --dry_run.',
    });
  }
  const question = jobs === 1 ? 'stop this job?' : `stop these ${jobs} jobs?`;
  const dialogue = {
    write: (text: string) => void io.stderr.write(text),
    nextLine: linesOf(io.stdin, io.signal),
  };
  try {
    return (await confirm(dialogue, question, false)) ? 'yes' : 'no';
  } catch (error) {
    if (error !== io.signal.reason) throw error;
    dialogue.write('\n'); // the cursor stands behind the question
    return 'interrupted';
  }
}

function jobsOf({ waiting, active, notCreated }: StopView): number {
  return waiting + active + notCreated;
}

function planText(group: GroupView, plan: StopView): string {
  const name = printable(group.name);
  if (jobsOf(plan) === 0) return `xgroup ${name}: no job to stop`;
  const parts = [
    [plan.waiting, 'waiting'],
    [plan.active, 'running or submitted'],
    [plan.notCreated, 'not created yet'],
  ] as const;
  const counts = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return `xgroup ${name}: ${jobsText(jobsOf(plan))} to stop (${counts.join(', ')})`;
}

function jobsText(jobs: number): string {
  return jobs === 1 ? '1 job' : `${jobs} jobs`;
}
