import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CHILD = fileURLToPath(new URL('./sqlite-child.ts', import.meta.url));
const run = promisify(execFile);

/** Runs a task of sqlite-child.ts to its end and gives what it printed. Throws when it fails or warns. */
export async function runChild(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [CHILD, ...args]);
  if (stderr !== '') throw new Error(stderr);
  return stdout;
}

/**
 * Runs a task whose files can grow to `kib` only, as on a full disk, until it fails; gives what it printed to
 * stdout and to stderr.
 */
export async function runChildOnSmallDisk(kib: number, ...args: readonly string[]) {
  // Without the trap the kernel ends the process instead of refusing the write.
  const script = 'trap "" XFSZ; ulimit -f "$0"; exec "$@"';
  const command = [String(kib), process.execPath, CHILD, ...args];
  const child = spawn('bash', ['-c', script, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { stdout, stderr };
}

/** A task that runs until it is killed. */
export interface RunningChild {
  /** Waits for the next line it prints. */
  line(): Promise<string>;
  /** SIGKILL; gives the lines it still printed. */
  kill(): Promise<readonly string[]>;
}

/** Starts a task of sqlite-child.ts. */
export function startChild(...args: readonly string[]): RunningChild {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async line() {
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the child ended');
      return value;
    },
    async kill() {
      await killed(child);
      const rest: string[] = [];
      for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
        rest.push(next.value);
      }
      return rest;
    },
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
