import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The checkout's folder. */
export const root: string = fileURLToPath(new URL('..', import.meta.url));

/** Runs a tool of node_modules on this Node; ends this process with its status when it fails. */
export function tool(title: string, entry: string, args: readonly string[] = []): void {
  run(title, process.execPath, [`${root}node_modules/${entry}`, ...args]);
}

/** Runs a program with inherited output; ends this process with its status when it fails. */
export function run(title: string, command: string, args: readonly string[]): void {
  const startedAt = performance.now();
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, METADATA_SERVER_DETECTION: 'none' },
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (done.status !== 0) {
    console.error(`FAILED: ${title} (status ${done.status ?? done.signal}, ${seconds} s)`);
    process.exit(done.status ?? 1);
  }
  console.error(`ok: ${title} (${seconds} s)`);
}
