import { describe, test } from 'vitest';
import { outboxRow } from '../../../../functions/core/outbox.ts';
import { put } from '../../../../functions/ports/store.ts';
import { type ApiBench, createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { type ParsedFamily, parsePrometheus } from '../../../doubles/prometheus-parser.ts';

const LANE = 'process:here';
const REQUESTS = 'caliban_http_requests_total';

describe('GET /metrics', () => {
  test('is Prometheus text, for whoever has a token, a viewer too', async ({ expect }) => {
    const { send } = createApiBench();
    const answer = await send('/metrics', { token: 'token-of-eve' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parsePrometheus(await answer.text());
    expect(numberOf(families, 'caliban_build_info', { version: '1.2.3' })).toBe(1);
    expect((await send('/metrics', { token: null })).status).toBe(401);
    expect((await send('/metrics', { token: 'unknown' })).status).toBe(401);
  });

  test('has what the host knows of its process', async ({ expect }) => {
    const families = () =>
      [
        { name: 'process_x_bytes', help: 'X.', type: 'gauge', samples: [{ labels: {}, value: 7 }] },
      ] as const;
    const bench = createApiBench({ api: { watch: { checks: [], families } } });
    expect(numberOf(await scrape(bench), 'process_x_bytes', {})).toBe(7);
  });

  test('follows a sweep: its jobs, and the gate', async ({ expect }) => {
    const bench = createApiBench({ durationMs: () => 60_000 });
    await bench.submit(sweepSpec(), 'k');
    await bench.work();
    const running = await scrape(bench);
    expect(jobs(running, 'RUNNING')).toBe(2);
    expect(numberOf(running, 'caliban_lane_active', { lane: LANE })).toBe(2);
    expect(numberOf(running, 'caliban_lane_places', { lane: LANE })).toBe(1_000);
    expect(numberOf(running, 'caliban_jobs_created_total', { lane: LANE })).toBe(2);
    expect(numberOf(running, 'caliban_lane_claims_total', { lane: LANE })).toBe(2);
    const taken = { lane: LANE, outcome: 'submitted' };
    expect(numberOf(running, 'caliban_lane_submits_total', taken)).toBe(2);

    await bench.clock.advance(60_000);
    await bench.work();
    const over = await scrape(bench);
    expect(jobs(over, 'SUCCEEDED')).toBe(2);
    expect(numberOf(over, 'caliban_lane_active', { lane: LANE })).toBe(0);
    for (const [from, to] of [
      ['QUEUED', 'SUBMITTING'],
      ['SUBMITTING', 'SUBMITTED'],
      ['RUNNING', 'SUCCEEDED'],
    ] as const) {
      expect(numberOf(over, 'caliban_job_moves_total', { lane: LANE, from, to }), to).toBe(2);
    }
  });

  test('has the rate of a lane that has one, and of no other', async ({ expect }) => {
    const lane = (id: string, ratePerMinute: number | null) =>
      ({ id, platform: 'process', policy: { ratePerMinute, maxActive: 9 } }) as const;
    const deps = { lanes: [lane('fast', 600), lane('free', null)] };
    const families = await scrape(createApiBench({ deps }));
    expect(families.get('caliban_lane_rate_per_minute')?.samples).toMatchObject([
      { labels: { lane: 'fast' }, value: 600 },
    ]);
    expect(numberOf(families, 'caliban_lane_places', { lane: 'free' })).toBe(9);
    // Both lanes are of one platform.
    expect(jobs(families, 'QUEUED')).toBe(0);
  });

  test('how many messages wait, how long the oldest has been due, and what was put aside', async ({
    expect,
  }) => {
    const bench = createApiBench();
    const now = bench.clock.now();
    const submissionId = 's';
    const rows = [
      outboxRow({ message: { kind: 'image', submissionId }, notBefore: now + 10_000 }, now),
      outboxRow({ message: { kind: 'expand', submissionId, chunk: 1 } }, now),
      outboxRow({ message: { kind: 'expand', submissionId, chunk: 2 } }, now),
      { ...outboxRow({ message: { kind: 'stop', submissionId } }, now - 60_000), parked: true },
    ];
    const keyOf = (at: number) => ({ collection: 'outbox', id: `row-${at}` }) as const;
    await bench.deps.store.commit(rows.map((row, at) => put(keyOf(at), row)));
    const found = await scrape(bench);
    const waiting = (kind: string) => numberOf(found, 'caliban_outbox_messages', { kind });
    expect(['image', 'expand', 'drain', 'stop'].map(waiting)).toEqual([1, 2, 0, 0]);
    expect(numberOf(found, 'caliban_outbox_oldest_due_seconds', {})).toBe(2);
    expect(numberOf(found, 'caliban_outbox_parked_messages', {})).toBe(1);
  });
});

describe('numbers of requests', () => {
  test('are kept by route and status; paths, queries and methods of anybody make no new ones', async ({
    expect,
  }) => {
    const bench = createApiBench();
    for (let n = 0; n < 50; n++) {
      await bench.send(`/v1/jobs/job-${n}?page=${n}`);
      await bench.send(`/nothing/${n}`);
      await bench.send(`/v1/nothing-${n}`);
      await bench.send('/healthz', { method: `M${n}` });
    }
    const families = await scrape(bench);
    const ofJob = { method: 'GET', route: '/v1/jobs/{id}' };
    expect(numberOf(families, REQUESTS, { ...ofJob, status: '404' })).toBe(50);
    const nowhere = { method: 'GET', route: 'none', status: '404' };
    expect(numberOf(families, REQUESTS, nowhere)).toBe(100);
    const foreign = { method: 'other', route: '/healthz', status: '405' };
    expect(numberOf(families, REQUESTS, foreign)).toBe(50);
    expect(families.get(REQUESTS)?.samples).toHaveLength(3);
    const count = 'caliban_http_request_duration_seconds_count';
    const seconds = families.get('caliban_http_request_duration_seconds');
    expect(seconds?.samples.filter(({ name }) => name === count).map(({ value }) => value)).toEqual(
      [50, 100, 50],
    );
  });
});

describe('what is stored', () => {
  test('is counted once for all who ask within two seconds, and tells its age', async ({
    expect,
  }) => {
    const bench = createApiBench();
    const { count } = bench.deps.store;
    let counted = 0;
    bench.deps.store.count = (...asked) => {
      counted += 1;
      return count(...asked);
    };
    await Promise.all([bench.send('/metrics'), bench.send('/metrics'), bench.send('/metrics')]);
    const once = counted;
    expect(once).toBeGreaterThan(0);
    await bench.clock.advance(1_500);
    const later = parsePrometheus(await (await bench.send('/metrics')).text());
    expect(numberOf(later, 'caliban_stored_numbers_age_seconds', {})).toBe(1.5);
    expect(counted).toBe(once);
    await bench.clock.advance(500);
    await bench.send('/metrics');
    expect(counted).toBe(2 * once);
  });

  test('is counted so seldom that it takes a fiftieth of the time at most', async ({ expect }) => {
    const bench = createApiBench();
    const { count } = bench.deps.store;
    let counted = 0;
    bench.deps.store.count = async (...asked) => {
      counted += 1;
      if (counted % 100 === 1) await bench.clock.advance(1_000);
      return count(...asked);
    };
    await bench.send('/metrics');
    const once = counted;
    await bench.clock.advance(48_000);
    await bench.send('/metrics');
    expect(counted).toBe(once);
    await bench.clock.advance(2_000);
    await bench.send('/metrics');
    expect(counted).toBe(2 * once);
  });

  test('that cannot be counted is an answer in the one error form, and asked for anew', async ({
    expect,
  }) => {
    const bench = createApiBench();
    const { count } = bench.deps.store;
    bench.deps.store.count = () => Promise.reject(new Error('the disk is gone'));
    expect((await bench.send('/metrics')).status).toBe(500);
    bench.deps.store.count = count;
    expect((await bench.send('/metrics')).status).toBe(200);
  });
});

type Families = ReadonlyMap<string, ParsedFamily>;

// Behind what an earlier one counted.
async function scrape(bench: ApiBench): Promise<Families> {
  await bench.clock.advance(2_000);
  return parsePrometheus(await (await bench.send('/metrics')).text());
}

function numberOf(families: Families, name: string, labels: Readonly<Record<string, string>>) {
  const family = families.get(name);
  if (family === undefined) throw new Error(`no ${name}`);
  return family.samples.find((sample) => isSame(sample.labels, labels))?.value;
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>) {
  return (
    JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
  );
}

function jobs(families: Families, state: string) {
  return numberOf(families, 'caliban_jobs', { state, platform: 'process' });
}
