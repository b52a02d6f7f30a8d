import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../cli/lib/parts.ts';
import { main } from '../../cli/program.ts';
import type { RunningServe, ServeOptions } from '../../functions/embedded.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { aGroup, someCounts } from './api-views.ts';

// The real CLI in a process of its own, with a service that can do nothing but be found, asked and ended.

async function runServe(options: ServeOptions): Promise<RunningServe> {
  const { dataDir, signal, token, slots, limits } = options;
  const fault = process.env['FAKE_SERVE'];
  if (fault === 'broken') throw new AppError('SERVE_REFUSED', 'No luck today.');
  if (fault === 'mute') process.exit(3);
  const lock = join(dataDir, 'lock');
  const held = await open(lock, 'wx').catch(() => null);
  if (held === null) {
    await writeFile(join(dataDir, 'lost'), '');
    throw new AppError('SERVICE_LOCKED', `${dataDir} is in use.`);
  }
  await held.close();
  const instance = randomUUID();
  const server = createServer((request, response) => {
    const groups = [aGroup({ counts: someCounts({ SUBMITTED: 2, RUNNING: 1, FAILED: 3 }) })];
    const health = { status: 'ok', instance, version: '0.1.0' };
    const known = request.url === '/healthz' ? health : { groups, next: null };
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(known));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const port = bound === null || typeof bound === 'string' ? 0 : bound.port;
  const address = `http://127.0.0.1:${port}`;
  const tokenFile = join(dataDir, 'token');
  await writeFile(tokenFile, token ?? 'secret');
  const jobs = { platform: 'docker', slots: slots ?? 1, limits } as const;
  const content = { schemaVersion: 1, instance, address, tokenFile, pid: process.pid, ...jobs };
  await writeFile(join(dataDir, 'serve.json.tmp'), JSON.stringify(content));
  await rename(join(dataDir, 'serve.json.tmp'), join(dataDir, 'serve.json'));
  process.stderr.write(`ready with ${process.argv.slice(2).join(' ')}\n`);
  const closed = once(signal, 'abort').then(async () => {
    server.closeAllConnections();
    server.close();
    await rm(join(dataDir, 'serve.json'));
    if (fault === 'lingers') await sleep(1_000);
    await rm(lock);
  });
  return { address, instance, ...jobs, note: null, tokenFile, newToken: null, closed };
}

// Nobody holds this process: it lives as long as the test that it belongs to.
async function holdOn(): Promise<void> {
  const line = connect(process.env['FAKE_SERVE_LIFELINE'] ?? '');
  line.on('error', () => process.exit(0));
  line.on('close', () => process.exit(0));
  await once(line, 'connect');
  line.write(`${process.pid}\n`);
}

await holdOn();
const host: Host = { runServe, offline: async () => null };
const end = new AbortController();
process.once('SIGTERM', () => end.abort());
const absent = () => Promise.reject(new Error('not part of this double'));
process.exit(
  await main(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    home: process.cwd(),
    user: 'totoro',
    self: [process.execPath],
    signal: end.signal,
    clock: {
      now: () => Date.now(),
      sleep: (ms, signal) => sleep(ms, undefined, { signal }),
      random: () => 0.5,
    },
    parts: { host: async () => host, packer: absent, backup: absent },
  }),
);
