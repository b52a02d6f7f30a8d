import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { type JobView, jobView } from '../../shared/api/jobs.ts';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { aSpec } from './a-spec.ts';
import { aFile, aLayer, aTar, type BuiltLayer } from './tar-builder.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const TOKEN = 'token-of-a-test-0123456789';
const WAIT_MS = 60_000;

/** How a command ended and what it printed. */
export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where commands run. */
export interface RunOptions {
  readonly uid?: number;
  /** Further words for Node itself. */
  readonly node?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command line from its sources, in a process of its own, to its end. */
export async function caliban(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = started(args, options);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return { status: child.exitCode, stdout, stderr };
}

/** A service in a process of its own: a crash of it is seen. */
export interface OneMachine {
  readonly dataDir: string;
  readonly address: string;
  readonly token: string;
  readonly process: ChildProcess;
  send(path: string, json?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Any request, with the token. */
  request(path: string, init: RequestInit): Promise<Response>;
  /** Sends a layer as far as it goes; the last answer. */
  upload(layer: BuiltLayer): Promise<Response>;
  /** Submits jobs that run a line of shell, one for each number below `count`, under a key of their own. */
  submit(submission: ShellSweep): Promise<Response>;
  jobs(): Promise<readonly JobView[]>;
  /** How many jobs are in which state. */
  states(): Promise<Readonly<Record<string, number>>>;
  /** Waits until every one of so many jobs is in one of the states. */
  until(count: number, ...states: readonly string[]): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Jobs of one line of shell each; `$*` are the job's flags, such as `--n 3`. */
export interface ShellSweep {
  readonly script: string;
  readonly count: number;
  readonly key?: string;
  readonly changes?: Partial<SubmissionSpec>;
}

/** Starts a service of a directory; ended with the test. */
export async function startOneMachine(
  onTestFinished: (end: () => Promise<void>) => void,
  dataDir: string,
  options: RunOptions & { readonly slots?: number } = {},
): Promise<OneMachine> {
  const slots = `--slots=${options.slots ?? 2}`;
  const child = started(['serve', `--data_dir=${dataDir}`, '--json', slots], options);
  const stderr = text(child.stderr);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  };
  onTestFinished(async () => {
    await end('SIGTERM');
    endPrograms(dataDir);
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line === '}') break;
  }
  if (lines.length === 0) throw new Error(`no service: ${await stderr}`);
  const { address } = z.object({ address: z.string() }).parse(JSON.parse(lines.join('\n')));
  return {
    dataDir,
    address,
    token: TOKEN,
    process: child,
    ...requestsTo(address),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

function started(args: readonly string[], { uid, node = [], env = {} }: RunOptions) {
  return spawn(process.execPath, [...node, MAIN, ...args], {
    env: { ...process.env, CALIBAN_SERVE_TOKEN: TOKEN, CALIBAN_ENDPOINT: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
}

// Programs outlive their service; those of a test that failed must not outlive the test.
function endPrograms(dataDir: string): void {
  const attempts = join(dataDir, 'process', 'attempts');
  if (!existsSync(attempts)) return;
  const files = readdirSync(attempts, { recursive: true, encoding: 'utf8' });
  const started = files.filter((path) => path.endsWith('/started'));
  for (const path of started) {
    const hasEnded = files.includes(path.replace(/started$/, 'exit.json'));
    const pid = Number(readFileSync(join(attempts, path), 'utf8').split('\n')[0]);
    if (!hasEnded && pid > 1 && isOf(pid, attempts)) process.kill(-pid, 'SIGKILL');
  }
}

// A number may be another process's by now. Without /proc nothing is ended.
function isOf(pid: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory);
  } catch {
    return false;
  }
}

const jobsPage = z.object({ jobs: z.array(jobView), next: z.string().nullable() });

function requestsTo(
  address: string,
): Omit<OneMachine, 'dataDir' | 'address' | 'token' | 'process' | 'stop' | 'kill'> {
  const authorization = { Authorization: `Bearer ${TOKEN}` };
  const send: OneMachine['send'] = (path, json, headers = {}) =>
    fetch(`${address}${path}`, {
      headers: { ...authorization, 'Content-Type': 'application/json', ...headers },
      ...(json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) }),
    });

  async function upload({ declaration, blob }: BuiltLayer): Promise<Response> {
    const { diffId, blobSize } = declaration;
    const begun = await send('/v1/layers', declaration);
    if (!begun.ok) return begun;
    const { uploadUrl } = z.object({ uploadUrl: z.string() }).parse(await begun.json());
    const sent = await fetch(new URL(uploadUrl, address), {
      method: 'PUT',
      headers: { ...authorization, 'Content-Range': `bytes 0-${blobSize - 1}/${blobSize}` },
      body: new Uint8Array(blob),
    });
    return sent.ok ? send(`/v1/layers/${diffId}/complete`, {}) : sent;
  }

  async function submit({ script, count, key = 'key', changes }: ShellSweep): Promise<Response> {
    const layer = aLayer(aTar(aFile('usr/app/train.py')));
    await upload(layer);
    const numbers = Array.from({ length: count }, (_, at) => at);
    const spec = aSpec({
      command: ['sh', '-c', script, 'job'],
      codeLayers: [layer.declaration.diffId],
      config: JSON.stringify({ n: numbers }),
      ...changes,
    });
    return send('/v1/submissions', spec, { 'Idempotency-Key': key });
  }

  async function jobs(): Promise<readonly JobView[]> {
    const all: JobView[] = [];
    for (let cursor = ''; ; ) {
      const answer = await send(`/v1/jobs?limit=500${cursor}`);
      const page = jobsPage.parse(await answer.json());
      all.push(...page.jobs);
      if (page.next === null) return all;
      cursor = `&cursor=${page.next}`;
    }
  }

  async function states(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { state } of await jobs()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  return {
    send,
    request: (path, { headers, ...init }) =>
      fetch(`${address}${path}`, { ...init, headers: { ...authorization, ...Object(headers) } }),
    upload,
    submit,
    jobs,
    states,
    async until(count, ...wanted) {
      const giveUp = Date.now() + WAIT_MS;
      for (;;) {
        const found = await states();
        const there = wanted.reduce((sum, state) => sum + (found[state] ?? 0), 0);
        if (there === count) return;
        if (Date.now() > giveUp) {
          throw new Error(`not ${count} ${wanted.join(' or ')}: ${JSON.stringify(found)}`);
        }
        await sleep(100);
      }
    },
  };
}
