import { setTimeout as sleep } from 'node:timers/promises';
import { processEnvironment } from './lib/env.ts';
import { PARTS } from './lib/join-parts.ts';
import { main } from './program.ts';

// Starts the program for this process: bin/caliban.mjs loads this file, and so does a detached `serve`.
const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // A second Ctrl-C does not wait for anything.
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  });
}
const status = await main(process.argv.slice(2), {
  ...processEnvironment(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
  signal: interrupt.signal,
  clock: {
    now: () => Date.now(),
    sleep: (ms, signal) => sleep(ms, undefined, { signal }),
    random: () => Math.random(),
  },
  parts: PARTS,
});
process.exit(status);
