import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { type Machine, scratchMachine } from './built-cli.ts';

const READERS = 20;
const JOBS = 100;
const accepted = z.object({ id: z.string(), group: z.object({ id: z.string() }) });
const submission = z.object({ done: z.boolean() });
const serveFile = z.object({ address: z.string() });

describe('many readers while a sweep drains', () => {
  test('are all answered', async (t) => {
    const { machine, service, paths, follow } = await aDrainingSweep(t);
    const end = new AbortController();
    const readers = Array.from({ length: READERS }, (_, at) =>
      readAgainAndAgain(service, rotated(paths, at), end.signal),
    );
    await follow().finally(() => end.abort());
    const reads = (await Promise.all(readers)).flat();
    t.expect(reads.filter(({ status }) => status !== 200)).toEqual([]);
    t.expect(reads.length).toBeGreaterThan(READERS);
    console.info(latencies(reads.map(({ ms }) => ms)));
    const log = await readFile(join(machine.home, 'data', 'logs', 'service.log'), 'utf8');
    t.expect(log).not.toContain('database is locked');
    t.expect(log.match(/.*"level":(?:[56]0|"error"|"fatal").*/g)).toBeNull();
  });

  test('never wait behind a write, even one of another process that does not end', async (t) => {
    const { machine, service, group, paths, follow } = await aDrainingSweep(t);
    const other = new DatabaseSync(join(machine.home, 'data', 'service.db'), { timeout: 5_000 });
    t.onTestFinished(() => other.close());
    other.exec('BEGIN IMMEDIATE');
    let isWritten = false;
    const writing = ask(service, `/v1/groups/${group}/stop`, '{}').then((answer) => {
      isWritten = true;
      return answer;
    });
    const reads = await Promise.all(paths.map((path) => ask(service, path)));
    t.expect(reads.map(({ status }) => status)).toEqual(paths.map(() => 200));
    t.expect(isWritten).toBe(false);
    other.exec('ROLLBACK');
    t.expect(await writing).toMatchObject({ status: 200 });
    await follow();
  });
});

interface Service {
  readonly address: string;
  readonly token: string;
}

/** A sweep that runs, and the addresses that read what becomes of it. */
async function aDrainingSweep({ onTestFinished }: TestContext) {
  const machine = scratchMachine(onTestFinished);
  const cwd = join(machine.home, 'project');
  await mkdir(cwd);
  await writeFile(join(cwd, 'work.sh'), 'echo "$@"\n');
  await machine.caliban(['serve', '--detach', '--slots', '2']);
  const config = JSON.stringify({ n: Array.from({ length: JOBS }, (_, n) => n) });
  const flags = ['--nogpu', '--no_wait', '--json', '--xgroup', 'sweep'];
  const submitted = await machine.caliban(
    ['cloud', ...flags, '--experiment_config', '-', 'work.sh'],
    { cwd, input: config },
  );
  const { id, group } = accepted.parse(JSON.parse(submitted.stdout));
  const service = await serviceOf(machine);
  const paths = [
    `/v1/submissions/${id}`,
    `/v1/submissions/${id}/jobs?state=SUCCEEDED`,
    `/v1/groups/${group.id}`,
    `/v1/groups/${group.id}/experiments`,
    `/v1/groups/${group.id}/jobs`,
    '/v1/groups',
    '/v1/jobs',
    '/v1/service',
    '/readyz',
  ];
  return { machine, service, group: group.id, paths, follow: () => untilDone(service, id) };
}

async function serviceOf(machine: Machine): Promise<Service> {
  const data = join(machine.home, 'data');
  const { address } = serveFile.parse(JSON.parse(await readFile(join(data, 'serve.json'), 'utf8')));
  return { address, token: (await readFile(join(data, 'token'), 'utf8')).trim() };
}

interface Answered {
  readonly path: string;
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

// With a body it is a POST.
async function ask({ address, token }: Service, path: string, body?: string): Promise<Answered> {
  const startedAt = performance.now();
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const init = body === undefined ? { headers } : { headers, method: 'POST', body };
  const answer = await fetch(`${address}${path}`, init);
  const text = await answer.text();
  return { path, status: answer.status, text, ms: performance.now() - startedAt };
}

async function readAgainAndAgain(
  service: Service,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Answered[]> {
  const reads: Answered[] = [];
  while (!signal.aborted) {
    for (const path of paths) {
      reads.push(await ask(service, path));
      await sleep(250);
    }
  }
  return reads;
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

async function untilDone(service: Service, id: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const { text } = await ask(service, `/v1/submissions/${id}`);
    if (submission.parse(JSON.parse(text)).done) return;
    await sleep(200);
  }
  throw new Error('the sweep did not end in time');
}

function latencies(ms: readonly number[]): string {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  return `${READERS} readers, ${sorted.length} reads while ${JOBS} jobs ran: median ${at(0.5)} ms, 99 % within ${at(0.99)} ms, slowest ${at(1)} ms`;
}
