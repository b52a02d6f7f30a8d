import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, type TestContext, test } from 'vitest';
import { prometheusText } from '../../../../functions/api/prometheus-text.ts';
import { createProcessWatch, dataDirCheck } from '../../../../functions/embedded/process-watch.ts';
import { aTemporaryDirectory } from '../../../doubles/layer-upload.ts';
import { createManualClock } from '../../../doubles/manual-clock.ts';
import { parsePrometheus } from '../../../doubles/prometheus-parser.ts';

describe('what must work', () => {
  test('is all well with a service that works', async (t) => {
    const { wrong } = await aWatch(t);
    t.expect(await wrong()).toEqual({});
  });

  test('a loop that has not turned for a minute', async (t) => {
    const { clock, turned, wrong } = await aWatch(t);
    await clock.advance(59_999);
    t.expect(await wrong()).toEqual({});
    await clock.advance(15_001);
    turned.outbox = clock.now();
    t.expect(await wrong()).toEqual({ 'sync loop': 'has done nothing for 75 s' });
    turned.sync = clock.now();
    turned.outbox = 0;
    t.expect(Object.keys(await wrong())).toEqual(['outbox loop']);
  });

  test('a clock that was set back makes no loop a stuck one', async (t) => {
    const { clock, turned, wrong } = await aWatch(t);
    turned.outbox = turned.sync = clock.now() + 3_600_000;
    t.expect(await wrong()).toEqual({});
  });

  test('a data directory that is gone', async (t) => {
    const { dataDir, wrong } = await aWatch(t);
    await rm(dataDir, { recursive: true });
    t.expect(await wrong()).toEqual({ 'data directory': 'cannot be written (ENOENT)' });
  });

  test('a disk that is nearly full', async ({ expect }) => {
    const dataDir = await aTemporaryDirectory();
    expect(await dataDirCheck(dataDir, 1).look()).toBeNull();
    const tooMuch = await dataDirCheck(dataDir, 2 ** 70).look();
    expect(tooMuch).toMatch(/^has \d+ MiB free; 1125899906842624 MiB are needed$/);
  });

  test('a log that cannot be written', async (t) => {
    const { log, wrong } = await aWatch(t);
    log.failure = 'ENOSPC: no space left on device';
    t.expect(await wrong()).toEqual({ log: 'cannot be written' });
  });
});

describe('numbers of the process', () => {
  test('are sound', async (t) => {
    const { watch, log } = await aWatch(t);
    log.lost = 3;
    const families = parsePrometheus(prometheusText(watch.families()));
    const value = (name: string) => families.get(name)?.samples[0]?.value ?? Number.NaN;
    t.expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e7);
    t.expect(value('process_cpu_seconds_total')).toBeGreaterThan(0);
    t.expect(value('process_start_time_seconds')).toBeGreaterThan(1.7e9);
    t.expect(value('process_start_time_seconds')).toBeLessThanOrEqual(Date.now() / 1_000);
    t.expect(value('caliban_log_lines_lost_total')).toBe(3);
  });

  test('tell how late the event loop was since the last scrape', async (t) => {
    const { watch } = await aWatch(t);
    const late = () => {
      const families = parsePrometheus(prometheusText(watch.families()));
      return families.get('nodejs_eventloop_lag_max_seconds')?.samples[0]?.value ?? Number.NaN;
    };
    // The delay is known from the second beat on.
    await sleep(100);
    const until = performance.now() + 300;
    while (performance.now() < until);
    await sleep(100);
    t.expect(late()).toBeGreaterThan(0.2);
    t.expect(late()).toBe(0);
  });
});

async function aWatch({ onTestFinished }: TestContext) {
  const dataDir = await aTemporaryDirectory();
  const clock = createManualClock();
  const turned = { outbox: clock.now(), sync: clock.now() };
  const log: { lost: number; failure: string | null } = { lost: 0, failure: null };
  const watch = createProcessWatch({
    ...{ dataDir, clock },
    log: { lost: () => log.lost, failure: () => log.failure },
    outbox: { turnedAt: () => turned.outbox },
    sync: { turnedAt: () => turned.sync },
  });
  onTestFinished(() => watch.close());
  const wrong = async () => {
    const found: Record<string, string> = {};
    for (const { part, look } of watch.checks) {
      const message = await look();
      if (message !== null) found[part] = message;
    }
    return found;
  };
  return { dataDir, clock, turned, log, watch, wrong };
}
