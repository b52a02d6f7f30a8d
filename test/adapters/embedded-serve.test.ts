import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { acquireServeLock } from '../../functions/adapters/local/sqlite/serve-lock.ts';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { groupIdOf } from '../../functions/core/ids.ts';
import { openOffline } from '../../functions/embedded/offline.ts';
import { type RunningServe, runServe, type ServeOptions } from '../../functions/embedded.ts';
import { put } from '../../functions/ports/store.ts';
import { jobView } from '../../shared/api/jobs.ts';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { aJob, aLane, aSubmission } from '../doubles/builders.ts';
import { serveOptions } from '../doubles/serve-options.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { systemClock } from '../fixtures/system-clock.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const TOKEN = 'token-of-a-test-0123456789';
const LANE = 'this-machine';

describe('what is refused', () => {
  test('other machines without a token; nothing is made then', async (t) => {
    const dataDir = aDataDir(t);
    const refused = serve(t, dataDir, { host: '0.0.0.0', token: null });
    await t.expect(refused).rejects.toMatchObject({ code: 'SERVE_REFUSED' });
    await t.expect(stat(dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a request that names a foreign host', async (t) => {
    const { address } = await serve(t, aDataDir(t));
    t.expect(await statusFor(address, 'evil.example')).toBe(403);
    t.expect(await statusFor(address, new URL(address).host)).toBe(200);
    t.expect(await statusFor(address, 'localhost')).toBe(200);
  });

  test('a request without the token', async (t) => {
    const { address } = await serve(t, aDataDir(t));
    t.expect((await fetch(`${address}/v1/groups`)).status).toBe(401);
    t.expect((await send(address, '/v1/groups')).status).toBe(200);
  });

  test('a second service in the same directory', async (t) => {
    const dataDir = aDataDir(t);
    const first = await serve(t, dataDir);
    await t.expect(serve(t, dataDir)).rejects.toMatchObject({ code: 'SERVICE_LOCKED' });
    t.expect((await send(first.address, '/v1/groups')).status).toBe(200);
  });

  test('a bad token or a taken port leaves the directory free', async (t) => {
    const dataDir = aDataDir(t);
    const other = await serve(t, aDataDir(t));
    const port = Number(new URL(other.address).port);
    const refused = { code: 'SERVE_REFUSED' };
    await t.expect(serve(t, dataDir, { token: 'short' })).rejects.toMatchObject(refused);
    await t.expect(serve(t, dataDir, { port })).rejects.toMatchObject(refused);
    t.expect((await serve(t, dataDir)).newToken).toBeNull();
  });

  test('a start that is refused leaves no directory behind, and nothing of its own in an empty one', async (t) => {
    const other = await serve(t, aDataDir(t));
    const port = Number(new URL(other.address).port);
    const parent = aDataDir(t);
    const refused = { code: 'SERVE_REFUSED' };
    await t.expect(serve(t, join(parent, 'new'), { port })).rejects.toMatchObject(refused);
    await t.expect(stat(parent)).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(parent);
    await writeFile(join(parent, 'serve.log'), '');
    await t.expect(serve(t, parent, { port })).rejects.toMatchObject(refused);
    t.expect(await readdir(parent)).toEqual(['serve.log']);
  });

  test('what was there before a refused start stays', async (t) => {
    const dataDir = aDataDir(t);
    const other = await serve(t, aDataDir(t));
    await (await serve(t, dataDir)).stop();
    const before = await readdir(dataDir, { recursive: true });
    const port = Number(new URL(other.address).port);
    await t.expect(serve(t, dataDir, { port })).rejects.toMatchObject({ code: 'SERVE_REFUSED' });
    t.expect((await readdir(dataDir, { recursive: true })).sort()).toEqual(before.sort());
  });
});

describe('what is told', () => {
  test('a new token once, and where the service is, to its owner alone', async (t) => {
    const dataDir = aDataDir(t);
    const first = await serve(t, dataDir, { token: null });
    t.expect(await readFile(first.tokenFile, 'utf8')).toBe(`${first.newToken}\n`);
    const { address, instance, tokenFile } = first;
    const told: unknown = JSON.parse(await readFile(join(dataDir, 'serve.json'), 'utf8'));
    const { pid } = process;
    const jobs = { platform: 'process', slots: 2, limits: { cpus: null, memoryBytes: null } };
    const place = { schemaVersion: 1, instance, address, tokenFile, pid, ...jobs };
    t.expect(told).toEqual({ ...place, note: first.note });
    t.expect(first).toMatchObject(jobs);
    for (const name of ['token', 'serve.json']) {
      t.expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
    }
    await first.stop();
    t.expect((await serve(t, dataDir, { token: null })).newToken).toBeNull();
  });
});

describe('a start', () => {
  test('frees the lane from a lease of an earlier life', async (t) => {
    const dataDir = aDataDir(t);
    const lane = aLane({ id: LANE, leaseHolder: 'gone', leaseUntil: Date.now() + 86_400_000 });
    const store = await openSqliteStore({ path: join(dataDir, 'service.db'), clock: systemClock });
    await store.commit([put({ collection: 'lanes', id: LANE }, lane)]);
    store.close();
    const { address } = await serve(t, dataDir);
    await submit(address, 'true');
    await t.expect.poll(() => states(address), { timeout: 5_000 }).toEqual(['SUCCEEDED']);
  });

  test('looks at once into what an earlier life had claimed', async (t) => {
    const dataDir = aDataDir(t);
    const group = { groupId: groupIdOf(userInfo().username, 'sweep'), owner: userInfo().username };
    const claim = { epoch: 1, holder: 'gone', claimedAt: 0, createBy: 0, outcomeUnknown: false };
    const job = aJob({
      ...group,
      platform: 'process',
      state: 'SUBMITTING',
      active: true,
      claim,
      claimUntil: Date.now() + 86_400_000,
    });
    const run = { kind: 'workspace', venvKey: null, layers: [] } as const;
    const submission = aSubmission({ ...group, platform: 'process', run, command: ['true'] });
    const store = await openSqliteStore({ path: join(dataDir, 'service.db'), clock: systemClock });
    await store.commit([
      put({ collection: 'lanes', id: LANE }, aLane({ id: LANE, platform: 'process' })),
      put({ collection: 'submissions', id: submission.id }, { ...submission, openLane: LANE }),
      put({ collection: 'jobs', id: job.id }, { ...job, lane: LANE }),
    ]);
    store.close();
    const { address } = await serve(t, dataDir);
    const state = async () =>
      jobView.parse(await (await send(address, `/v1/jobs/${job.id}`)).json());
    await t.expect.poll(state, { timeout: 20_000 }).toMatchObject({ state: 'SUCCEEDED' });
  });
});

describe('the end', () => {
  test('takes the word back before the port closes, and gives the directory free', async (t) => {
    const dataDir = aDataDir(t);
    const first = await serve(t, dataDir);
    // An answer that is not finished keeps the port open.
    const upload = await anOpenUpload(first.address);
    const ended = first.stop();
    await t.expect.poll(() => exists(join(dataDir, 'serve.json'))).toBe(false);
    t.expect(() => acquireServeLock(join(dataDir, 'serve.lock'))).toThrow(
      t.expect.objectContaining({ code: 'SERVICE_LOCKED' }),
    );
    upload.destroy();
    await ended;
    await t.expect(fetch(`${first.address}/healthz`)).rejects.toThrow();
    const second = await serve(t, dataDir);
    t.expect((await send(second.address, '/v1/groups')).status).toBe(200);
  });

  test('does not wait for a slice, an events stream or a followed log', async (t) => {
    const dataDir = aDataDir(t);
    const { address, stop } = await serve(t, dataDir, { slots: 1 });
    const jobIds = await submit(address, 'sleep 30', { config: '{"lr": [0.1, 0.2]}' });
    await t.expect.poll(() => states(address)).toEqual(['RUNNING', 'SUBMITTED']);
    const streams = [
      await send(address, '/v1/groups/sweep/events'),
      await send(address, `/v1/jobs/${jobIds[0]}/logs?follow=true`),
    ];
    const startedAt = Date.now();
    await stop();
    t.expect(Date.now() - startedAt).toBeLessThan(2_000);
    for (const stream of streams) t.expect(typeof (await stream.text())).toBe('string');
    const log = await readFile(join(dataDir, 'logs', 'service.log'), 'utf8');
    t.expect(log).not.toContain('message put back');
    await stopJobs(t, dataDir);
  });

  test('comes by itself when nobody needs the service, and then leaves nothing locked', async (t) => {
    const dataDir = aDataDir(t);
    const { closed } = await serve(t, dataDir, { idleMinutes: 0.005 });
    await closed;
    t.expect(await exists(join(dataDir, 'serve.json'))).toBe(false);
    await serve(t, dataDir);
  });

  test('does not come by itself while a job lives', async (t) => {
    const dataDir = aDataDir(t);
    const { address, closed } = await serve(t, dataDir, { idleMinutes: 0.005 });
    await submit(address, 'sleep 1');
    await closed;
    const offline = await openOffline(dataDir);
    t.onTestFinished(() => offline?.close());
    const jobs = await offline?.fetch(new Request('http://offline/v1/jobs'));
    t.expect(jobPage.parse(await jobs?.json()).jobs.map(({ state }) => state)).toEqual([
      'SUCCEEDED',
    ]);
  });
});

describe('records without a service', () => {
  test('are as of the last commit, whichever job it was of', async (t) => {
    const dataDir = aDataDir(t);
    const path = join(dataDir, 'service.db');
    let now = 5_000;
    const store = await openSqliteStore({ path, clock: { ...systemClock, now: () => now } });
    // The newest job by order is the one that changed first.
    await store.commit([put({ collection: 'jobs', id: 'a' }, aJob({ id: 'a', order: '9' }))]);
    now = 90_000;
    await store.commit([put({ collection: 'jobs', id: 'b' }, aJob({ id: 'b', order: '1' }))]);
    store.close();
    const offline = await openOffline(dataDir);
    t.onTestFinished(() => offline?.close());
    t.expect(offline?.statesAsOf).toEqual(new Date(90_000));
  });

  test('of a service that never wrote have no time; without any there is no service', async (t) => {
    const dataDir = aDataDir(t);
    t.expect(await openOffline(dataDir)).toBeNull();
    const path = join(dataDir, 'service.db');
    (await openSqliteStore({ path, clock: systemClock })).close();
    const offline = await openOffline(dataDir);
    t.onTestFinished(() => offline?.close());
    t.expect(offline?.statesAsOf).toBeNull();
  });
});

const jobPage = z.object({ jobs: z.array(jobView) });

function aDataDir({ onTestFinished }: TestContext): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return join(path, 'data');
}

interface Served extends RunningServe {
  stop(): Promise<void>;
}

async function serve(
  t: TestContext,
  dataDir: string,
  changes: Partial<ServeOptions> = {},
): Promise<Served> {
  const end = new AbortController();
  const running = await runServe(
    serveOptions({ dataDir, token: TOKEN, signal: end.signal, ...changes }),
  );
  const stop = async () => {
    end.abort();
    await running.closed;
  };
  t.onTestFinished(stop);
  return { ...running, stop };
}

function send(address: string, path: string, json?: unknown): Promise<Response> {
  return fetch(`${address}${path}`, {
    headers: {
      Authorization: `Bearer ${TOKEN}`,
      'Content-Type': 'application/json',
      'Idempotency-Key': 'key',
    },
    ...(json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) }),
  });
}

// fetch does not let a caller name another host.
async function statusFor(address: string, host: string): Promise<number | undefined> {
  const sent = httpRequest(`${address}/healthz`, { headers: { Host: host } }).end();
  const [answer] = await once(sent, 'response');
  answer.resume();
  return answer.statusCode;
}

async function upload(address: string) {
  const layer = aLayer(aTar(aFile('usr/app/train.py')));
  const { diffId, blobSize } = layer.declaration;
  const begun = await send(address, '/v1/layers', layer.declaration);
  const { uploadUrl } = z.object({ uploadUrl: z.string() }).parse(await begun.json());
  const headers = {
    Authorization: `Bearer ${TOKEN}`,
    'Content-Range': `bytes 0-${blobSize - 1}/${blobSize}`,
  };
  return { diffId, blob: layer.blob, url: new URL(uploadUrl, address), headers };
}

async function anOpenUpload(address: string) {
  const { url, blob, headers } = await upload(address);
  const sent = httpRequest(url, {
    method: 'PUT',
    headers: { ...headers, 'Content-Length': blob.length, Expect: '100-continue' },
  });
  sent.on('error', () => undefined);
  sent.flushHeaders();
  await once(sent, 'continue');
  sent.write(blob.subarray(0, 10));
  return sent;
}

/** Submits jobs that run a line of shell; gives their ids. */
async function submit(
  address: string,
  script: string,
  changes: Partial<SubmissionSpec> = {},
): Promise<string[]> {
  const { diffId, url, blob, headers } = await upload(address);
  await fetch(url, { method: 'PUT', headers, body: new Uint8Array(blob) });
  await send(address, `/v1/layers/${diffId}/complete`, {});
  const spec = aSpec({ command: ['sh', '-c', script], codeLayers: [diffId], ...changes });
  const answer = await send(address, '/v1/submissions', spec);
  if (answer.status !== 202) throw new Error(`not accepted: ${await answer.text()}`);
  return (await jobs(address)).map(({ id }) => id);
}

async function jobs(address: string) {
  return jobPage.parse(await (await send(address, '/v1/jobs')).json()).jobs;
}

async function states(address: string): Promise<string[]> {
  return (await jobs(address)).map(({ state }) => state).sort();
}

// Jobs outlive their service; those of a test must not outlive the test.
async function stopJobs(t: TestContext, dataDir: string): Promise<void> {
  const { address } = await serve(t, dataDir);
  await send(address, '/v1/groups/sweep/stop', {});
  await t.expect.poll(() => states(address), { timeout: 20_000 }).toEqual(['STOPPED', 'STOPPED']);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
