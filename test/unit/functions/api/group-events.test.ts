import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'vitest';
import * as z from 'zod';
import { jobView } from '../../../../shared/api/jobs.ts';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';
import { eventsIn, type ReceivedEvent, streamReader } from '../../../doubles/stream-reader.ts';

const EVENTS = '/v1/groups/sweep/events';
const running = z.object({ RUNNING: z.number(), SUCCEEDED: z.number(), total: z.number() });

function jobsOf(events: readonly ReceivedEvent[]) {
  return events.filter(({ event }) => event === 'job').map(({ data }) => jobView.parse(data));
}

test('the stream tells every job as it is, then each change, and the counts when they change', async ({
  expect,
}) => {
  const bench = createApiBench({ durationMs: () => 60_000 });
  await bench.submit(sweepSpec(), 'k');
  await bench.work();
  const answer = await bench.send(EVENTS);
  expect(answer.headers.get('Content-Type')).toBe('text/event-stream');
  const reader = streamReader(answer, bench.clock);
  const first = eventsIn(await reader.readUntil('event: counts'));
  expect(jobsOf(first).map(({ state }) => state)).toEqual(['RUNNING', 'RUNNING']);
  await bench.clock.advance(60_000);
  await bench.work();
  const then = eventsIn(await reader.readUntil('"SUCCEEDED":2'));
  expect(jobsOf(then).map(({ state }) => state)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
  const counts = then.filter(({ event }) => event === 'counts');
  expect(running.parse(counts.at(-1)?.data)).toEqual({ RUNNING: 0, SUCCEEDED: 2, total: 2 });
  await reader.cancel();
});

test('after a break it goes on behind the last event: nothing is lost', async ({ expect }) => {
  const bench = createApiBench({
    durationMs: (job) => (job.args.includes('0.1') ? 30_000 : 60_000),
  });
  await bench.submit(sweepSpec(), 'k');
  await bench.work();
  const reader = streamReader(await bench.send(EVENTS), bench.clock);
  const told = eventsIn(await reader.readUntil('event: counts'));
  await reader.cancel();
  const last = told.findLast(({ event }) => event === 'job');
  await bench.clock.advance(30_000);
  await bench.work();
  const headers = { 'Last-Event-ID': last?.id ?? '' };
  const resumed = streamReader(await bench.send(EVENTS, { headers }), bench.clock);
  const changes = jobsOf(eventsIn(await resumed.readUntil('event: counts')));
  expect(changes.map(({ index, state }) => [index, state])).toEqual([[0, 'SUCCEEDED']]);
  await resumed.cancel();
});

test('jobs of many pages are each told once', async ({ expect }) => {
  const bench = createApiBench();
  const config = JSON.stringify({ lr: Array.from({ length: 450 }, (_, n) => n) });
  await bench.submit(sweepSpec({ config }), 'k');
  await bench.work();
  const reader = streamReader(await bench.send(EVENTS), bench.clock);
  let text = '';
  while (jobsOf(eventsIn(text)).length < 450) text += await reader.next();
  const indexes = jobsOf(eventsIn(text)).map(({ index }) => index);
  expect(new Set(indexes).size).toBe(450);
  await reader.cancel();
});

test('a tampered Last-Event-ID and an unknown group are answered before a stream begins', async ({
  expect,
}) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  for (const id of ['abc', Buffer.from('{"v":"x","id":"a"}').toString('base64url')]) {
    const error = await errorOf(bench.send(EVENTS, { headers: { 'Last-Event-ID': id } }));
    expect(error).toMatchObject({ status: 422, code: 'CURSOR_INVALID' });
  }
  expect(await errorOf(bench.send('/v1/groups/none/events'))).toMatchObject({ status: 404 });
});

test('a quiet stream shows that it lives, and ends after its time', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  const startedAt = bench.clock.now();
  const text = await streamReader(await bench.send(EVENTS), bench.clock).rest();
  const lasted = bench.clock.now() - startedAt;
  expect(lasted).toBeGreaterThanOrEqual(LIMITS.followMs);
  expect(lasted).toBeLessThan(LIMITS.followMs + 5_000);
  expect(text.split(': still here').length).toBeGreaterThan(LIMITS.followMs / 15_000 - 5);
});

test('there are so many places for followers; who leaves, ends or stands still frees one', async ({
  expect,
}) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  const readers = [];
  for (let n = 0; n < LIMITS.followers; n++) {
    readers.push(streamReader(await bench.send(EVENTS), bench.clock));
  }
  const refused = await errorOf(bench.send(EVENTS));
  expect(refused).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
  expect(refused.headers.get('Retry-After')).toBe('5');
  await readers[0]?.cancel();
  const inHisPlace = await bench.send(EVENTS);
  expect(inHisPlace.status).toBe(200);
  expect((await bench.send(EVENTS)).status).toBe(503);
  await bench.clock.advance(LIMITS.followMs + 60_000);
  expect((await bench.send(EVENTS)).status).toBe(200);
});

test('HEAD takes no place', async ({ expect }) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  for (let n = 0; n <= LIMITS.followers; n++) {
    expect((await bench.send(EVENTS, { method: 'HEAD' })).status).toBe(200);
  }
  expect((await bench.send(EVENTS)).status).toBe(200);
});

test('the end of the service is nothing to streams that have ended, whatever the garbage collector took', async ({
  expect,
}) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const ending = new AbortController();
  const bench = createApiBench({ api: { ending: ending.signal } });
  await bench.submit(sweepSpec(), 'k');
  const readers = [1, 2, 3].map(async () => (await bench.send(EVENTS)).body?.getReader());
  for (const reader of readers) await (await reader)?.read();
  for (let i = 0; i < 5; i++) {
    collectGarbage();
    await setImmediate();
  }
  for (const reader of readers) await (await reader)?.cancel();
  expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
});

test('the end of the service ends every stream at once, in good order', async ({ expect }) => {
  const ending = new AbortController();
  const bench = createApiBench({ api: { ending: ending.signal } });
  await bench.submit(sweepSpec(), 'k');
  const reader = streamReader(await bench.send(EVENTS), bench.clock);
  await reader.readUntil('event: counts');
  const startedAt = bench.clock.now();
  ending.abort();
  expect(await reader.rest()).toBe('');
  expect(await streamReader(await bench.send(EVENTS), bench.clock).rest()).toBe('');
  expect(bench.clock.now()).toBe(startedAt);
});
