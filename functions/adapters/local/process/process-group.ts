import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../attempts/attempt-record.ts';
import { systemCode } from '../durable-file.ts';
import type { ProcessTable } from './process-table.ts';

const KILL_WAIT_MS = 5000;

/** Whether this very process still lives. */
export async function isAlive(table: ProcessTable, identity: ProcessIdentity): Promise<boolean> {
  if (identity.boot !== (await table.bootId())) return false;
  return (await table.startOf(identity.pid)) === identity.start;
}

/** Signals the whole group of a leader that still lives; otherwise does nothing, because the number may be another's. */
export async function signalGroup(
  table: ProcessTable,
  leader: ProcessIdentity,
  signal: NodeJS.Signals,
): Promise<void> {
  if (await isAlive(table, leader)) killGroup(leader.pid, signal);
}

/**
 * Kills what a dead leader left in its group, and waits until it is gone (at most 5 s). False: something still lives.
 *
 * A pid is not given out again while a group has that number, so a leader with another start means that the group is
 * long gone. With no leader, the group may be ours or a later one: it is ours when the leader was alive a moment ago
 * (`fresh`), or when a member was started with all of `mark` in its environment (where the kernel tells).
 */
export async function endGroupOf(
  table: ProcessTable,
  leader: ProcessIdentity,
  evidence: { readonly fresh: boolean; readonly mark: readonly string[] },
): Promise<boolean> {
  if (leader.boot !== (await table.bootId())) return true;
  const start = await table.startOf(leader.pid);
  if (start !== null && start !== leader.start) return true;
  const members = await table.groupMembers(leader.pid);
  if (members.length === 0) return true;
  const ours = start !== null || evidence.fresh || (await hasMark(table, members, evidence.mark));
  if (!ours) return true;
  killGroup(leader.pid, 'SIGKILL');
  for (let waited = 0; waited < KILL_WAIT_MS; waited += 20) {
    if ((await table.groupMembers(leader.pid)).length === 0) return true;
    await sleep(20);
  }
  return false;
}

async function hasMark(
  table: ProcessTable,
  members: readonly number[],
  mark: readonly string[],
): Promise<boolean> {
  for (const pid of members) {
    const environment = await table.environmentOf(pid);
    if (environment === null || mark.every((entry) => environment.includes(entry))) return true;
  }
  return false;
}

function killGroup(pgid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pgid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}
