// The program of the process that starts programs. It is made of the text of the function below, which may use what Node gives to
// every program, and nothing else of this file or of any import.

/** What to start, as the leader of a session of its own. */
export interface SpawnRequest {
  readonly id: number;
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What became of a request: first `started` or `failed`, then `exited`. */
export type SpawnNews =
  | { readonly id: number; readonly kind: 'started' }
  | {
      readonly id: number;
      readonly kind: 'failed';
      readonly message: string;
      /** Of the system call that failed, when it was one. */
      readonly code?: string | undefined;
    }
  | { readonly id: number; readonly kind: 'exited'; readonly status: number | null };

function serveSpawns(): void {
  const { spawn } = process.getBuiltinModule('node:child_process');
  process.title = 'caliban-spawn';
  const tell = (news: SpawnNews): void => {
    if (process.connected) process.send?.(news);
  };
  // What it started lives on; nobody is left who would ask for more.
  process.once('disconnect', () => process.exit());
  process.on('message', ({ id, file, args, cwd, env }: SpawnRequest) => {
    const fail = ({ message, code }: NodeJS.ErrnoException): void =>
      tell({ id, kind: 'failed', message, code });
    try {
      const child = spawn(file, args, { cwd, env, detached: true, stdio: 'ignore' });
      child.once('spawn', () => tell({ id, kind: 'started' }));
      child.once('error', fail);
      child.once('exit', (status) => tell({ id, kind: 'exited', status }));
    } catch (error) {
      // Lack of memory is thrown, unlike lack of processes.
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** The program, for `node -e`. */
export const SPAWN_PROGRAM = `${serveSpawns}\n${serveSpawns.name}();`;
