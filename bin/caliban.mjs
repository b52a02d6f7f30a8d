#!/usr/bin/env node
// Starts the built CLI. On a Node older than 24 it hands over to the Node 24 that npm installed beside it.
import { spawnSync } from 'node:child_process';
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
  const ran = spawnSync(node, [fileURLToPath(main), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exit(ran.status ?? 130);
}
