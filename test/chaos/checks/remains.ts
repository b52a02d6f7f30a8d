import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Stage } from '../stage.ts';
import { type Check, check } from './check.ts';
import type { Evidence } from './evidence.ts';

/** No process of any job is left: each was started in a directory of the run, as a member of its supervisor's group. */
export function checkProcesses({ serve }: Pick<Stage, 'serve'>, { attempts }: Evidence): Check {
  const groups = new Set(attempts.map(({ started }) => started).filter(Number.isInteger));
  return check(
    'no process of any job is left',
    `${groups.size} process groups`,
    processesBelow(serve.dataDir).map(({ pid, group, command }) => {
      const whose = groups.has(group) ? 'of a job' : 'of no job';
      return `process ${pid} ${whose} is left: ${command}`;
    }),
  );
}

interface Found {
  readonly pid: number;
  readonly group: number;
  readonly command: string;
}

/** Processes that live and whose directory is this one or below it, removed or not. */
export function processesBelow(directory: string): readonly Found[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        // Ended; nobody has asked for its status.
        if (state === 'Z') return [];
        if (!readlinkSync(`/proc/${name}/cwd`).startsWith(directory)) return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return [{ pid: Number(name), group: Number(group), command }];
      } catch {
        return []; // gone meanwhile, or another user's
      }
    });
}
