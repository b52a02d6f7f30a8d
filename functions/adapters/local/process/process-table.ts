import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { isHostTrouble } from '../../../ports/host-trouble.ts';

/** What the kernel knows about processes. The dead that nobody has reaped yet do not count. Rejects when the machine lets nobody look now. */
export interface ProcessTable {
  bootId(): Promise<string>;
  /** The start of the process with this pid, or null when there is none. */
  startOf(pid: number): Promise<string | null>;
  /** Pids of the processes of a group. */
  groupMembers(pgid: number): Promise<readonly number[]>;
  /** `NAME=value` entries the process was started with, or null when the kernel does not tell. */
  environmentOf(pid: number): Promise<readonly string[] | null>;
}

/** The table of this machine: /proc on Linux, `ps` elsewhere (macOS). The supervisor's script reads the same sources. */
export function createProcessTable(platform: NodeJS.Platform): ProcessTable {
  return platform === 'linux' ? procTable() : psTable();
}

// /proc is memory: reading it synchronously takes microseconds, a trip to the thread pool takes longer.
function procTable(): ProcessTable {
  return {
    bootId: async () => (readProc('/proc/sys/kernel/random/boot_id') ?? '').trim(),
    startOf: async (pid) => readStat(pid)?.start ?? null,
    groupMembers: async (pgid) =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((pid) => readStat(pid)?.pgid === pgid),
    environmentOf: async (pid) => (readProc(`/proc/${pid}/environ`) ?? '').split('\0'),
  };
}

// proc(5): the name, in parentheses, may hold anything; state is field 3, pgrp 5, starttime 22.
function readStat(pid: number): { readonly pgid: number; readonly start: string } | null {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === null) return null;
  const [state, , pgid, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const start = rest[16];
  if (start === undefined || state === 'Z' || state === 'X') return null;
  return { pgid: Number(pgid), start };
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // Who cannot look must not take a process for gone.
    if (isHostTrouble(error)) throw error;
    return null; // gone meanwhile, or another user's
  }
}

const run = promisify(execFile);

function psTable(): ProcessTable {
  return {
    bootId: async () => {
      const { stdout } = await run('sysctl', ['-n', 'kern.boottime']);
      return /\bsec = (\d+)/.exec(stdout)?.[1] ?? '';
    },
    startOf: async (pid) => {
      const line = (await ps(['-o', 'stat=,lstart=', '-p', String(pid)]))[0];
      const [, state = 'Z', start = ''] = /^\s*(\S+)\s+(.*\S)\s*$/.exec(line ?? '') ?? [];
      return state.startsWith('Z') ? null : start;
    },
    groupMembers: async (pgid) =>
      (await ps(['-A', '-o', 'pid=,pgid=,stat=']))
        .map((line) => line.trim().split(/\s+/))
        .filter(([, group, state]) => Number(group) === pgid && state?.startsWith('Z') === false)
        .map(([pid]) => Number(pid)),
    environmentOf: async () => null,
  };
}

async function ps(args: readonly string[]): Promise<readonly string[]> {
  try {
    const { stdout } = await run('ps', args, {
      env: { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC0' },
    });
    return stdout.split('\n').filter((line) => line.trim() !== '');
  } catch (error) {
    if (isHostTrouble(error)) throw error;
    return []; // ps ends with 1 when no process matches
  }
}
