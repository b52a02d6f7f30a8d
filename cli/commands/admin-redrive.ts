import { REDRIVE_KINDS, type RedriveView } from '../../shared/api/redrive.ts';
import type { Client } from '../lib/client.ts';
import { connectOrStart } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';

/** Answers that are asked for before it is left to another call: what fails again meanwhile must not keep it here. */
const ROUNDS = 100;

/** `caliban admin redrive`: asks until nothing more is tried again, and tells the sums. */
export async function run(ctx: Context): Promise<number> {
  const { options, out, json } = ctx;
  const dryRun = options.isSet('dry_run');
  const asked = options.text('kind');
  const kind = REDRIVE_KINDS.find((each) => each === asked);
  await using connection = await connectOrStart(ctx);
  const total = await redriven(connection.client, { dryRun, kind });
  if (json) {
    await out.json(total);
    return 0;
  }
  await out.line(lineOf(total));
  if (total.unreadable > 0) {
    out.note(
      `${counted(total.unreadable, 'dead letter')} cannot be read by this version of the service: update it, then ask again.`,
    );
  }
  if (total.more) out.note('There may be more: ask again.');
  return 0;
}

async function redriven(
  client: Client,
  request: Parameters<Client['redrive']>[0],
): Promise<RedriveView> {
  let total = await client.redrive(request);
  for (let round = 1; round < ROUNDS && total.more && !request.dryRun; round++) {
    const next = await client.redrive(request);
    total = {
      ...next,
      parked: total.parked + next.parked,
      dead: total.dead + next.dead,
      unreadable: Math.max(total.unreadable, next.unreadable),
    };
    if (next.parked + next.dead === 0) break;
  }
  return total;
}

function lineOf({ dryRun, parked, dead }: RedriveView): string {
  if (parked + dead === 0) return 'nothing to try again';
  const what = [
    ...(parked > 0 ? [counted(parked, 'parked message')] : []),
    ...(dead > 0 ? [counted(dead, 'dead letter')] : []),
  ].join(' and ');
  return dryRun ? `${what} to try again` : `trying ${what} again`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
