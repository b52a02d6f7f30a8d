import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { runServe, type ServeOptions } from '../../functions/embedded.ts';
import { submissionView } from '../../shared/api/submissions.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { logLines } from '../doubles/log-lines.ts';
import { type ParsedFamily, parsePrometheus } from '../doubles/prometheus-parser.ts';
import { serveOptions } from '../doubles/serve-options.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { systemClock } from '../fixtures/system-clock.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const TOKEN = 'token-of-an-operator-0123456789';
const SECRET = 'hunter2-0123456789';
const FOUND = { timeout: 20_000 };

describe('the log of a service', () => {
  test('tells the whole story of a job under its id, and no secret', async (t) => {
    const { log, submit, send, ended, stop } = await aService(t, { logLevel: 'debug' });
    const submissionId = await submit(['sh', '-c', `echo ${SECRET}; exit 3`, SECRET]);
    await ended(submissionId);
    await send(`/v1/jobs?token=${TOKEN}&x=${SECRET}`);
    await send(`/v1/groups/${TOKEN}`);
    await send('/v1/me', { token: SECRET });
    await stop();
    const lines = await logLines(log);
    const jobId = `${submissionId}-0`;
    const moves = lines.filter((line) => line['jobId'] === jobId);
    t.expect(moves.map(({ from, to, cause }) => ({ from, to, cause }))).toMatchObject([
      { from: 'QUEUED', to: 'SUBMITTING', cause: 'claimed' },
      { from: 'SUBMITTING', to: 'SUBMITTED', cause: 'submitted' },
      ...(moves.length > 3 ? [{ from: 'SUBMITTED', to: 'RUNNING' }] : []),
      { to: 'FAILED', cause: 'exit-code' },
    ]);
    const told = lines.filter((line) => line['submissionId'] === submissionId);
    const texts = told.map(({ message }) => message);
    for (const text of ['submission accepted', 'image ready', 'jobs created']) {
      t.expect(texts).toContain(text);
    }
    t.expect(texts).toContain('submission expanded');
    for (const line of told) t.expect(line).toMatchObject({ level: t.expect.any(String) });
    const accepted = told.find(({ message }) => message === 'submission accepted');
    const request = lines.find((line) => line['path'] === '/v1/submissions');
    t.expect(request).toMatchObject({ method: 'POST', status: 202 });
    t.expect(accepted?.['requestId']).toBe(request?.['requestId']);
    t.expect(lines.at(-1)).toMatchObject({ message: 'ending: asked to' });
    const text = await readFile(log, 'utf8');
    t.expect(text).toContain('/v1/groups/[secret]');
    for (const secret of [TOKEN, SECRET]) t.expect(text).not.toContain(secret);
    t.expect((await stat(log)).mode & 0o777).toBe(0o600);
  });

  test('has no half of a token, and no password of the package index, however they are written', async (t) => {
    const password = 'p@ss/word-0123456789';
    const indexUrl = `https://ada:${encodeURIComponent(password)}@packages.example/simple`;
    const builds = { baseImage: null, caBundle: null, indexUrl };
    const { log, send, stop } = await aService(t, { logLevel: 'debug', builds });
    for (let letters = 240; letters <= 300; letters++) {
      await send(`/v1/jobs/${'a'.repeat(letters)}${TOKEN}`);
    }
    const everyByte = [...Buffer.from(TOKEN)].map((byte) => `%${byte.toString(16)}`).join('');
    for (const word of [everyByte, encodeURIComponent(password), indexUrl]) {
      await send(`/v1/jobs/${word}`);
    }
    await stop();
    const text = await readFile(log, 'utf8');
    t.expect(text).not.toMatch(/aaat(?!oo)|to?k?e?n-of|%74|p@ss|p%40|word-0/);
    const paths = (await logLines(log)).flatMap(({ path }) => path ?? []);
    t.expect(paths).toContain('/v1/jobs/[secret]');
    t.expect(paths.filter((path) => String(path).length === 300)).not.toEqual([]);
  });

  test('tells less when asked to', async (t) => {
    const { log, submit, ended, send, stop } = await aService(t, { logLevel: 'warn' });
    await ended(await submit(['true']));
    await send('/v1/nothing');
    await stop();
    t.expect(await logLines(log)).toEqual([]);
  });
});

describe('readiness of a service', () => {
  test('is there once it serves, and gone with its data directory', async (t) => {
    const { dataDir, send } = await aService(t);
    const ready = () => send('/readyz', { token: null });
    t.expect((await ready()).status).toBe(200);
    await rm(dataDir, { recursive: true });
    await t.expect.poll(async () => (await ready()).status, FOUND).toBe(503);
    t.expect(await (await ready()).text()).toContain('data directory cannot be written');
  });
});

describe('numbers of a service', () => {
  test('are what its store and its log say', async (t) => {
    const { dataDir, log, submit, send, ended, stop } = await aService(t, { slots: 3 });
    const before = await scrape(send);
    t.expect(numberOf(before, 'caliban_lane_places')).toBe(3);
    t.expect(numberOf(before, 'caliban_jobs', { state: 'SUCCEEDED' })).toBe(0);
    await ended(await submit(['true'], '{"lr": [0.1, 0.2, 0.3, 0.4]}'));
    const succeeded = async () =>
      numberOf(await scrape(send), 'caliban_jobs', { state: 'SUCCEEDED' });
    await t.expect.poll(succeeded, FOUND).toBe(4);
    const after = await scrape(send);
    t.expect(numberOf(after, 'caliban_lane_active')).toBe(0);
    t.expect(numberOf(after, 'caliban_lane_claims_total')).toBe(4);
    t.expect(numberOf(after, 'caliban_job_moves_total', { to: 'SUCCEEDED' })).toBe(4);
    t.expect(numberOf(after, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
    await stop();
    const path = join(dataDir, 'service.db');
    const store = await openSqliteStore({ path, clock: systemClock, readOnly: true });
    t.onTestFinished(() => store.close());
    const params = { lane: 'this-machine', state: 'SUCCEEDED' };
    t.expect(await store.count('jobsOfLaneByState', params)).toBe(4);
    const moves = (await logLines(log)).filter((line) => line['to'] === 'SUCCEEDED');
    t.expect(moves).toHaveLength(4);
  });
});

type Send = (path: string, init?: { json?: unknown; token?: string | null }) => Promise<Response>;

async function aService(t: TestContext, changes: Partial<ServeOptions> = {}) {
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const dataDir = join(path, 'data');
  const end = new AbortController();
  const { address, closed } = await runServe(
    serveOptions({ dataDir, slots: 1, token: TOKEN, signal: end.signal, ...changes }),
  );
  const stop = () => {
    end.abort();
    return closed;
  };
  t.onTestFinished(stop);
  const send: Send = (to, { json, token = TOKEN } = {}) =>
    fetch(`${address}${to}`, {
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...{ 'Content-Type': 'application/json', 'Idempotency-Key': 'key' },
      },
      ...(json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) }),
    });
  return {
    ...{ dataDir, send, stop },
    log: join(dataDir, 'logs', 'service.log'),
    async submit(command: readonly string[], config = '{}') {
      const codeLayer = await uploaded(address, send);
      const spec = aSpec({ command: [...command], codeLayers: [codeLayer], config });
      const answer = await send('/v1/submissions', { json: spec });
      return submissionView.parse(await answer.json()).id;
    },
    async ended(id: string) {
      const isDone = async () =>
        submissionView.parse(await (await send(`/v1/submissions/${id}`)).json()).done;
      await t.expect.poll(isDone, FOUND).toBe(true);
    },
  };
}

async function uploaded(address: string, send: Send): Promise<string> {
  const { declaration, blob } = aLayer(aTar(aFile('usr/app/train.py')));
  const begun = await send('/v1/layers', { json: declaration });
  const { uploadUrl } = z.object({ uploadUrl: z.string() }).parse(await begun.json());
  const { blobSize, diffId } = declaration;
  const range = { 'Content-Range': `bytes 0-${blobSize - 1}/${blobSize}` };
  const headers = { Authorization: `Bearer ${TOKEN}`, ...range };
  await fetch(new URL(uploadUrl, address), { method: 'PUT', headers, body: new Uint8Array(blob) });
  await send(`/v1/layers/${diffId}/complete`, { json: {} });
  return diffId;
}

async function scrape(send: Send): Promise<ReadonlyMap<string, ParsedFamily>> {
  return parsePrometheus(await (await send('/metrics')).text());
}

function numberOf(
  families: ReadonlyMap<string, ParsedFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = families
    .get(name)
    ?.samples.filter((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  return found?.reduce((sum, { value }) => sum + value, 0) ?? Number.NaN;
}
