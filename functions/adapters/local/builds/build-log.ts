import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readPiece } from '../attempts/attempt-log.ts';
import { runBound } from './bound-process.ts';

const PIECE_BYTES = 64 * 1024;
const TAIL_BYTES = 256 * 1024;
const OWNER_ONLY = 0o700;

/** A piece of the log of a key, from a byte offset. `complete`: nothing is written to it now. */
export async function readBuildLog(
  path: string,
  offset: number,
  complete: boolean,
): Promise<{ readonly text: string; readonly next: number }> {
  const { text, next } = await readPiece(path, offset, { maxBytes: PIECE_BYTES, complete });
  return { text, next };
}

/** The end of a log: enough to explain a failure. */
export async function buildLogTail(path: string): Promise<string> {
  const { size } = await stat(path);
  const from = Math.max(0, size - TAIL_BYTES);
  return (await readPiece(path, from, { maxBytes: TAIL_BYTES, complete: true })).text;
}

/** Where the log of a key is. */
export function buildLogPath(dir: string, key: string): string {
  return join(dir, `${key}.log`);
}

/** Runs the programs of one build, one after the other, all their output in one log. */
export interface BuildShell {
  /** Whether the program ended well. `variables`: for it alone. Throws the signal's reason when that is aborted. */
  succeeds(argv: readonly string[], variables?: Readonly<Record<string, string>>): Promise<boolean>;
}

/** Makes a directory of builds, for its owner alone, also when it is there: what they read and print may be secret. */
export async function makeBuildsDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  const { mode } = await stat(path);
  if ((mode & 0o777) !== OWNER_ONLY) await chmod(path, OWNER_ONLY);
}

/** Begins the log of a key anew for the programs of a task; `cwd` is the directory of builds. */
export async function withBuildLog<T>(
  build: {
    readonly path: string;
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
  task: (shell: BuildShell) => Promise<T>,
): Promise<T> {
  await makeBuildsDirectory(build.cwd);
  const output = await open(build.path, 'w', 0o600);
  try {
    await output.chmod(0o600); // it may be there from an earlier version
    return await task({
      succeeds: async (argv, variables = {}) => {
        await output.write(`$ ${argv.join(' ')}\n`);
        const env = { ...build.env, ...variables };
        return (await runBound(argv, { ...build, env, output: output.fd })) === 0;
      },
    });
  } finally {
    await output.close();
  }
}
