import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, test } from 'vitest';
import * as z from 'zod';
import { temporaryDirectory } from '../adapters/temporary-directory.ts';
import { localSettings } from '../doubles/local-cloud/local-settings.ts';
import { serveHttp } from '../fixtures/loopback-server.ts';
import { FUNCTIONS_FOLDER } from '../fixtures/whole-system.ts';
import { ROOT } from './built-cli.ts';

const run = promisify(execFile);
const HEAVY = /node_modules\/(?:@google-cloud\/(?:aiplatform|cloudbuild|logging)|@kubernetes)\//;
const TOKEN = 'token-of-this-test-0123456789';

const metafile = z.object({
  outputs: z.record(z.string(), z.object({ inputs: z.record(z.string(), z.unknown()) })),
});

// Writes the address of every module that is loaded to standard error.
const TELL_LOADS = `data:text/javascript,${encodeURIComponent(
  "import { registerHooks } from 'node:module'; registerHooks({ load(url, context, next) { console.error('loaded ' + url); return next(url, context); } });",
)}`;

describe('the folder of the functions', { timeout: 180_000 }, () => {
  test('deploys as it is: its own packages, its start script, the runtime', async ({
    expect,
    onTestFinished,
  }) => {
    const { path: folder, remove } = temporaryDirectory();
    onTestFinished(async () => remove());
    cpSync(FUNCTIONS_FOLDER, folder, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ type: 'module', main: 'index.js', engines: { node: '24' } });
    expect(Object.keys(manifest.dependencies)).toEqual(['@google-cloud/functions-framework']);
    await run('npm', ['install', '--omit=dev', '--no-audit', '--no-fund'], { cwd: folder });
    const script = join(folder, 'node_modules', '.bin', 'functions-framework');
    const api = await startFunction(onTestFinished, [script, '--target=api'], { cwd: folder });
    const health = await fetch(`${api.url}/healthz`);
    expect([health.status, await health.json()]).toMatchObject([200, { status: 'ok' }]);
  });

  test('without settings every request is told what is missing', async ({
    expect,
    onTestFinished,
  }) => {
    const api = await startFunction(onTestFinished, [FRAMEWORK, '--target=api'], {
      cwd: FUNCTIONS_FOLDER,
      settings: '{}',
    });
    const answer = await fetch(`${api.url}/v1/me`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ error: { code: 'SETTINGS_INVALID' } });
    expect(api.printed()).toContain('layersBucket: Invalid input');
  });

  test('nothing of a body is unpacked or parsed before it is known who is calling', async ({
    expect,
    onTestFinished,
  }) => {
    const api = await startFunction(onTestFinished, [FRAMEWORK, '--target=api'], {
      cwd: FUNCTIONS_FOLDER,
    });
    const check = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
      fetch(`${api.url}/v1/layers/check`, { method: 'POST', body, headers });
    const json = { 'content-type': 'application/json' };
    const packed = { ...json, 'content-encoding': 'gzip' };
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(200 * 1024 * 1024)));
    expect((await check(bomb, packed)).status).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    const broken = await check('{"diffIds": [', { ...json, authorization });
    expect([broken.status, await broken.json()]).toMatchObject([
      400,
      { error: { code: 'REQUEST_INVALID' } },
    ]);
    const unpacked = await check(bomb, { ...packed, authorization });
    expect(unpacked.status).toBe(400);
    const me = await fetch(`${api.url}/v1/me`, { headers: { authorization } });
    expect(me.status).toBe(200);
    expect(peakKilobytes(api.pid)).toBeLessThan(300_000);
  });

  test('loading api loads neither Vertex AI, Cloud Build, Logging nor Kubernetes', async ({
    expect,
    onTestFinished,
  }) => {
    const api = await startFunction(
      onTestFinished,
      ['--import', TELL_LOADS, FRAMEWORK, '--target=api'],
      { cwd: FUNCTIONS_FOLDER },
    );
    const me = await fetch(`${api.url}/v1/me`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(await me.json()).toEqual({ id: 'ada', role: 'admin' });
    const { outputs } = metafile.parse(
      JSON.parse(readFileSync(join(ROOT, 'dist', 'hosted-meta.json'), 'utf8')),
    );
    const loaded = Object.entries(outputs).filter(([path]) =>
      api.printed().includes(`loaded ${pathToFileURL(join(ROOT, path))}`),
    );
    const sources = loaded.flatMap(([, { inputs }]) => Object.keys(inputs));
    expect(sources).toContain('functions/api/create-api.ts');
    expect(sources.filter((source) => HEAVY.test(source))).toEqual([]);
    // They are there for those who need them.
    const all = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
    expect(all.filter((source) => HEAVY.test(source)).length).toBeGreaterThan(10);
  });
});

const FRAMEWORK = join(ROOT, 'node_modules', '.bin', 'functions-framework');

// Most memory that a process ever had.
function peakKilobytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]);
}

interface StartedFunction {
  readonly pid: number;
  readonly url: string;
  printed(): string;
}

async function startFunction(
  onTestFinished: (end: () => Promise<void>) => void,
  args: readonly string[],
  { cwd, settings }: { readonly cwd: string; readonly settings?: string },
): Promise<StartedFunction> {
  const { port, close } = await serveHttp(() => undefined);
  await close();
  const child = spawn(process.execPath, args, {
    cwd,
    env: {
      ...process.env,
      NODE_ENV: 'production',
      PORT: String(port),
      HOST: '127.0.0.1',
      CALIBAN_SETTINGS: settings ?? JSON.stringify(someSettings()),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  onTestFinished(async () => {
    const closed = once(child, 'close');
    child.kill();
    await closed;
  });
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    const isUp = await fetch(`${url}/robots.txt`).then(
      () => true,
      () => false,
    );
    if (isUp) return { pid: child.pid ?? 0, url, printed: () => printed };
    if (child.exitCode !== null) throw new Error(printed);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function someSettings() {
  return localSettings({
    tokenSha256: createHash('sha256').update(TOKEN).digest('hex'),
    repository: '127.0.0.1:1/team/caliban',
    issuer: 'http://127.0.0.1:1',
    audience: 'https://worker.example',
    caller: 'push@example.com',
    topicPrefix: 'caliban',
    buckets: { layers: 'team-layers', builds: 'team-builds', logs: 'team-logs' },
    endpoints: { storage: 'http://127.0.0.1:1', google: '127.0.0.1:1' },
  });
}
