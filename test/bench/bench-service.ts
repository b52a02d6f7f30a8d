import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';

const HOST = fileURLToPath(new URL('service-host.ts', import.meta.url));
const TOKEN = 'token-of-a-bench-0123456789';

const vitalsSchema = z.object({
  /** Of the event loop, since it was asked last (ms). */
  stalls: z.array(z.object({ ms: z.number(), cpuMs: z.number() })),
  cpuMs: z.number(),
  rss: z.number(),
  heapUsed: z.number(),
  external: z.number(),
  maxRss: z.number(),
});

/** How a process is. Sizes in bytes. */
export type Vitals = z.infer<typeof vitalsSchema>;

/** A process that tells how it is. */
export interface Watched {
  vitals(): Promise<Vitals>;
  close(): Promise<void>;
}

/** A service in a process of its own, on the process platform. */
export interface BenchService extends Watched {
  readonly dataDir: string;
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The answer's JSON; throws when it is no success. */
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
  /** Sends a layer that holds these files; its key. */
  upload(files: Readonly<Record<string, string>>): Promise<string>;
  submit(spec: SubmissionSpec): Promise<string>;
}

/** A folder of a bench; remove it afterwards. */
export function benchFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'caliban-bench-'));
}

/** An idle process: what it suffers is the machine's. */
export async function startIdle(): Promise<Watched> {
  return (await startHost([])).watched;
}

/** A service on a data directory, a new one unless it is given; the directory is removed with it. */
export async function startService(options: {
  readonly slots: number;
  readonly dataDir?: string;
}): Promise<BenchService> {
  const dataDir = options.dataDir ?? (await benchFolder());
  const { watched, address } = await startHost([dataDir, String(options.slots), TOKEN]);
  let key = 0;
  const send = async (path: string, init: RequestInit): Promise<unknown> => {
    key += 1;
    const headers = { Authorization: `Bearer ${TOKEN}`, 'Idempotency-Key': `bench-${key}` };
    const answer = await fetch(new URL(path, address), {
      ...init,
      headers: { ...headers, 'Content-Type': 'application/json', ...init.headers },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    const text = await answer.text();
    return text === '' ? null : JSON.parse(text);
  };
  const post = (path: string, body: unknown) =>
    send(path, { method: 'POST', body: JSON.stringify(body) });
  return {
    ...watched,
    dataDir,
    address,
    headers: { Authorization: `Bearer ${TOKEN}` },
    get: (path) => send(path, {}),
    post,
    async upload(files) {
      const entries = Object.entries(files).map(([name, text]) => aFile(`usr/app/${name}`, text));
      const { declaration, blob } = aLayer(aTar(...entries));
      const { diffId, blobSize } = declaration;
      const begun = z
        .object({ uploadUrl: z.string() })
        .parse(await post('/v1/layers', declaration));
      await send(begun.uploadUrl, {
        method: 'PUT',
        headers: { 'Content-Range': `bytes 0-${blobSize - 1}/${blobSize}` },
        body: new Uint8Array(blob),
      });
      await post(`/v1/layers/${diffId}/complete`, {});
      return diffId;
    },
    submit: async (spec) =>
      z.object({ id: z.string() }).parse(await post('/v1/submissions', spec)).id,
    async close() {
      await watched.close();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startHost(words: readonly string[]) {
  const child = fork(HOST, words, { execArgv: profiling(words.length > 0) });
  const { address } = z.object({ address: z.string() }).parse(await message(child));
  const watched: Watched = {
    async vitals() {
      const answer = message(child);
      child.send('vitals');
      return vitalsSchema.parse(await answer);
    },
    async close() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
  return { watched, address };
}

// `--cpu-prof` of the bench profiles its service, not itself.
function profiling(isService: boolean): string[] {
  const dir = process.argv.find((word) => word.startsWith('--profile='))?.slice(10);
  return isService && dir !== undefined ? ['--cpu-prof', `--cpu-prof-dir=${dir}`] : [];
}

async function message(child: ChildProcess): Promise<unknown> {
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`a process of the bench ended with ${code}`);
  });
  const [answer] = await Promise.race([once(child, 'message'), failed]);
  return answer;
}
