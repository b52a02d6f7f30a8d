#!/usr/bin/env node
// Starts the built CLI. On a Node older than 24 it hands over to the Node 24 that npm installed beside it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('caliban is not built yet. Run: npm run build\n');
  process.exit(70);
}
if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(main.href);
} else {
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(node)) {
    process.stderr.write(
      `caliban needs Node 24 or newer; this is ${process.versions.node}. Install it, or run: npm ci\n`,
    );
    process.exit(70);
  }
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both: what it means is the program's to say. Other signals reach only us, and are passed on.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT'])
    process.on(signal, () => child.kill(signal));
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status ?? 70);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
