import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How to run a program that must not outlive this process. */
export interface BoundProcessOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File descriptor that takes its output. */
  readonly output: number;
  readonly signal: AbortSignal;
}

// Runs beside the program, in its group: reads until this process closes the pipe, by ending if it must, then kills the group.
const BOUND = '( read -r line <&3; kill -s KILL 0 ) > /dev/null 2>&1 &\nexec "$@" 3<&-';

/**
 * Runs a program to its end and gives its exit status; null when it was killed. It and all it starts end when the
 * signal is aborted (then it throws the signal's reason), and also when this process is killed.
 */
export async function runBound(
  argv: readonly string[],
  options: BoundProcessOptions,
): Promise<number | null> {
  options.signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', BOUND, 'sh', ...argv], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', options.output, options.output, 'pipe'],
  });
  // Where there are no descriptors left, Node makes no pipes, whatever its types say, and tells of an error.
  const pipes: readonly unknown[] | undefined = child.stdio;
  const leash = pipes === undefined ? null : child.stdio[3];
  leash?.on('error', () => undefined); // its other end is closed by force
  const cut = () => leash?.destroy();
  options.signal.addEventListener('abort', cut, { once: true });
  try {
    const [status]: (number | null)[] = await once(child, 'exit');
    options.signal.throwIfAborted();
    return status ?? null;
  } finally {
    options.signal.removeEventListener('abort', cut);
    cut();
  }
}
