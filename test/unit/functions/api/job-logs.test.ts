import { test } from 'vitest';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { type ApiBench, createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';
import { eventsIn, streamReader } from '../../../doubles/stream-reader.ts';

const CURSOR = 'X-Caliban-Log-Cursor';
const ONE = '{"lr": 1}';

async function aJob(bench: ApiBench): Promise<string> {
  const { id } = await bench.submit(sweepSpec({ config: ONE }), 'k');
  await bench.work();
  return `/v1/jobs/${id}-0/logs`;
}

test('a log is text, and its cursor goes on where the text ended', async ({ expect }) => {
  const whole = Array.from({ length: 60_000 }, (_, n) => `step ${n} ü\n`).join('');
  const bench = createApiBench({ output: () => whole });
  const path = await aJob(bench);
  let text = '';
  let pieces = 0;
  let cursor = '';
  for (;;) {
    const answer = await bench.send(`${path}?since=${cursor}`);
    expect(answer.headers.get('Content-Type')).toBe('text/plain; charset=utf-8');
    const piece = await answer.text();
    expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(LIMITS.logChunkBytes);
    const next = answer.headers.get(CURSOR) ?? '';
    if (next === cursor) break;
    text += piece;
    cursor = next;
    pieces++;
  }
  expect(text).toBe(whole);
  expect(pieces).toBeGreaterThan(2);
});

test('a job that has not started has printed nothing, and its log begins later', async ({
  expect,
}) => {
  const bench = createApiBench({ output: () => 'hello\n' });
  bench.builder.onPlan = async () => ({ key: 'deps', ready: false, image: null });
  bench.builder.poll = async () => ({ state: 'building' });
  const path = await aJob(bench);
  const before = await bench.send(path);
  expect([before.status, await before.text(), before.headers.get(CURSOR)]).toEqual([200, '', '']);
  bench.builder.onPlan = async () => ({ key: 'deps', ready: true, image: null });
  await bench.later();
  expect(await (await bench.send(path)).text()).toBe('hello\n');
});

test('a changed cursor, or one of another job, is CURSOR_INVALID', async ({ expect }) => {
  const bench = createApiBench();
  const path = await aJob(bench);
  const { id } = await bench.submit(sweepSpec({ config: ONE, group: 'other' }), 'k2');
  await bench.work();
  const cursor = (await bench.send(`/v1/jobs/${id}-0/logs`)).headers.get(CURSOR);
  for (const since of [cursor, 'abc', '12', `${cursor}x`]) {
    const error = await errorOf(bench.send(`${path}?since=${since}`));
    expect(error, String(since)).toMatchObject({ status: 422, code: 'CURSOR_INVALID' });
  }
});

test('grep keeps whole lines, also across the pieces a log is read in', async ({ expect }) => {
  const lines = Array.from(
    { length: 40_000 },
    (_, n) => `step ${n} loss ${n % 997 === 0 ? 'NaN' : n}`,
  );
  const bench = createApiBench({ output: () => lines.map((line) => `${line}\n`).join('') });
  const path = await aJob(bench);
  const answer = await bench.send(`${path}?grep=NaN`);
  const wanted = lines.filter((line) => line.includes('NaN')).map((line) => `${line}\n`);
  expect(await answer.text()).toBe(wanted.join(''));
  const rest = await bench.send(`${path}?grep=NaN&since=${answer.headers.get(CURSOR)}`);
  expect(await rest.text()).toBe('');
});

test('grep leaves a line that is still being printed for later', async ({ expect }) => {
  let printed = 'a match\nhalf a mat';
  const bench = createApiBench({ output: () => printed });
  const path = await aJob(bench);
  const first = await bench.send(`${path}?grep=match`);
  expect(await first.text()).toBe('a match\n');
  printed += 'ch\nno\n';
  const since = first.headers.get(CURSOR);
  expect(await (await bench.send(`${path}?grep=match&since=${since}`)).text()).toBe(
    'half a match\n',
  );
});

test('grep takes its text as it is, not as a pattern', async ({ expect }) => {
  const bench = createApiBench({ output: () => 'a.c\nabc\n' });
  const path = await aJob(bench);
  expect(await (await bench.send(`${path}?grep=a.c`)).text()).toBe('a.c\n');
  expect(await errorOf(bench.send(`${path}?grep=${'x'.repeat(201)}`))).toMatchObject({
    status: 400,
  });
});

test('a followed log goes on until the job is over', async ({ expect }) => {
  let printed = 'one\n';
  const bench = createApiBench({ durationMs: () => 60_000, output: () => printed });
  const path = await aJob(bench);
  const answer = await bench.send(`${path}?follow=true`);
  expect(answer.headers.get('Content-Type')).toBe('text/plain; charset=utf-8');
  const reader = streamReader(answer, bench.clock);
  expect(await reader.next()).toBe('one\n');
  printed += 'two\n';
  expect(await reader.next()).toBe('two\n');
  printed += 'three\n';
  await bench.clock.advance(60_000);
  await bench.work();
  expect(await reader.rest()).toBe('three\n');
});

test('a followed log of a job that failed before it started ends at once, empty', async ({
  expect,
}) => {
  const bench = createApiBench();
  bench.builder.onPlan = async () => ({ key: 'deps', ready: false, image: null });
  bench.builder.poll = async () => ({
    state: 'failed',
    failedAt: bench.clock.now(),
    message: 'No.',
    hint: null,
    retryable: false,
  });
  const path = await aJob(bench);
  for (let pass = 0; pass < 3; pass++) await bench.later();
  const startedAt = bench.clock.now();
  const reader = streamReader(await bench.send(`${path}?follow=true`), bench.clock);
  expect(await reader.rest()).toBe('');
  expect(bench.clock.now() - startedAt).toBeLessThan(1_000);
});

test('a followed log ends after its time, and says that the job is not over', async ({
  expect,
}) => {
  const bench = createApiBench({ output: () => 'one\n' });
  const path = await aJob(bench);
  const headers = { Accept: 'text/event-stream' };
  const startedAt = bench.clock.now();
  const reader = streamReader(await bench.send(`${path}?follow=true`, { headers }), bench.clock);
  const text = await reader.rest();
  expect(bench.clock.now() - startedAt).toBeGreaterThanOrEqual(LIMITS.followMs);
  expect(eventsIn(text).map(({ event, data }) => [event, data])).toEqual([
    ['log', { text: 'one\n' }],
    ['end', { ended: false }],
  ]);
  const beats = text.split('\n\n').filter((block) => block === ': still here');
  expect(beats.length).toBeGreaterThanOrEqual(LIMITS.followMs / 15_000 - 5);
});

test('a log followed as events is resumed from the last one, without loss or repetition', async ({
  expect,
}) => {
  let printed = 'a "quoted"\r\nline\n';
  const bench = createApiBench({ durationMs: () => 60_000, output: () => printed });
  const path = await aJob(bench);
  const Accept = 'text/event-stream';
  const first = await bench.send(`${path}?follow=true`, { headers: { Accept } });
  expect(first.headers.get('Content-Type')).toBe('text/event-stream');
  const reader = streamReader(first, bench.clock);
  const [event] = eventsIn(await reader.readUntil('event: log'));
  expect(event?.data).toEqual({ text: printed });
  await reader.cancel();
  printed += 'more\n';
  await bench.clock.advance(60_000);
  await bench.work();
  const headers = { Accept, 'Last-Event-ID': event?.id ?? '' };
  const again = await bench.send(`${path}?follow=true`, { headers });
  expect(eventsIn(await streamReader(again, bench.clock).rest()).map(({ data }) => data)).toEqual([
    { text: 'more\n' },
    { ended: true },
  ]);
  const plain = await bench.send(`${path}?since=${event?.id}`);
  expect(await plain.text()).toBe('more\n');
});

test('a platform that does not answer breaks the stream, is logged, and frees its place', async ({
  expect,
}) => {
  const bench = createApiBench();
  const path = await aJob(bench);
  const platform = bench.deps.platforms.get('process');
  if (platform === undefined) throw new Error('no platform');
  platform.readLog = () => Promise.reject(new Error('engine gone'));
  for (let n = 0; n <= LIMITS.followers; n++) {
    const reader = streamReader(await bench.send(`${path}?follow=true`), bench.clock);
    await expect(reader.next()).rejects.toThrow('engine gone');
  }
  const broken = bench.logged.filter(({ level }) => level === 'warn');
  expect(broken.length).toBeGreaterThan(LIMITS.followers);
  const streams = bench.logged.filter(({ fields }) => fields['path'] === path);
  expect(broken.map(({ fields }) => fields['requestId'])).toEqual(
    streams.map(({ fields }) => fields['requestId']),
  );
});
