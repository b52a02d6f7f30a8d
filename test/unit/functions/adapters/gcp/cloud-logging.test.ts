import { describe, test } from 'vitest';
import {
  createJobLogs,
  type JobTimes,
} from '../../../../../functions/adapters/gcp/cloud-logging.ts';
import { GRPC } from '../../../../../functions/adapters/gcp/google-errors.ts';
import type { LogAnswer, LogQuery } from '../../../../../functions/adapters/gcp/log-client.ts';
import type { LogLine } from '../../../../../functions/adapters/gcp/log-cursor.ts';
import { instantText } from '../../../../../functions/adapters/gcp/log-entries.ts';
import { SILENT_LOG } from '../../../../doubles/logs.ts';
import { createManualClock } from '../../../../doubles/manual-clock.ts';

const FULL = 1_000;

/** A log that holds what the test puts in, read through the reader in virtual time. */
function opened() {
  const clock = createManualClock();
  const start = clock.now();
  const lines: LogLine[] = [];
  const queries: LogQuery[] = [];
  const failures: Error[] = [];
  let times: JobTimes | null = { createdAt: start, endedAt: null };

  const client = {
    async entries(query: LogQuery): Promise<LogAnswer> {
      queries.push(query);
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      const [, from = ''] = /timestamp>="([^"]+)"/.exec(query.filter) ?? [];
      const [, until = ''] = /timestamp<="([^"]+)"/.exec(query.filter) ?? [];
      const found = lines
        .filter(({ timestamp }) => timestamp >= from && timestamp <= until)
        .toSorted((a, b) => (a.timestamp + a.insertId < b.timestamp + b.insertId ? -1 : 1));
      const at = Number(query.pageToken || 0);
      const next = at + FULL < found.length ? String(at + FULL) : '';
      return { lines: found.slice(at, at + FULL), next };
    },
    close: async () => undefined,
  };
  const logs = createJobLogs({ projectId: 'p', endpoint: null, clock, log: SILENT_LOG }, client);
  const source = { project: 'p', jobId: '7', times: async () => times };

  return {
    clock,
    queries,
    failures,
    print(text: string, at = clock.now()) {
      lines.push({ timestamp: instantText(at), insertId: `i${lines.length}`, text: `${text}\n` });
    },
    end(at = clock.now()) {
      times = { createdAt: start, endedAt: at };
    },
    vanish() {
      times = null;
    },
    read: (cursor = '', maxBytes = 100_000) => logs.read(source, cursor, maxBytes),
    readOf: (jobId: string) => logs.read({ ...source, jobId }, '', 100_000),
  };
}

function exhausted(): Error {
  return Object.assign(new Error('8 RESOURCE_EXHAUSTED'), { code: GRPC.resourceExhausted });
}

describe('log of a job in Cloud Logging', () => {
  test('an entry is given when it has settled, with what came a little late before it', async ({
    expect,
  }) => {
    const log = opened();
    log.print('second');
    expect((await log.read()).text).toBe('');
    await log.clock.advance(3_000);
    log.print('first', log.clock.now() - 4_000);
    await log.clock.advance(3_000);
    expect((await log.read()).text).toBe('first\nsecond\n');
  });

  test('it has ended when the job is over and nothing came for a while', async ({ expect }) => {
    const log = opened();
    log.print('hello');
    await log.clock.advance(10_000);
    const first = await log.read();
    expect(first).toMatchObject({ text: 'hello\n', ended: false });
    log.end();
    log.print('bye');
    await log.clock.advance(10_000);
    const second = await log.read(first.next);
    expect(second).toMatchObject({ text: 'bye\n', ended: false });
    await log.clock.advance(15_000);
    expect(await log.read(second.next)).toMatchObject({ text: '', ended: false });
    await log.clock.advance(10_000);
    expect(await log.read(second.next)).toEqual({ text: '', next: second.next, ended: true });
  });

  test('the log of a job that is not there has ended', async ({ expect }) => {
    const log = opened();
    log.vanish();
    expect(await log.read()).toEqual({ text: '', next: '', ended: true });
  });

  test('ten who look at once, and again within two seconds, cost one read', async ({ expect }) => {
    const log = opened();
    const ten = () => Promise.all(Array.from({ length: 10 }, () => log.read()));
    await ten();
    await log.clock.advance(1_900);
    await ten();
    expect(log.queries).toHaveLength(1);
    await log.clock.advance(200);
    await ten();
    expect(log.queries).toHaveLength(2);
  });

  test('a long log is read in as few requests as pages, whatever the pieces', async ({
    expect,
  }) => {
    const log = opened();
    for (let i = 0; i < 2_500; i++) log.print(`line ${i}`, log.clock.now() + i);
    await log.clock.advance(60_000);
    let text = '';
    let cursor = '';
    for (;;) {
      const piece = await log.read(cursor, 100);
      if (piece.next === cursor) break;
      text += piece.text;
      cursor = piece.next;
    }
    expect(text).toBe(Array.from({ length: 2_500 }, (_, i) => `line ${i}\n`).join(''));
    // Three pages and the empty end; each page begins with the last entry of the one before.
    expect(log.queries.length).toBeLessThanOrEqual(5);
  });

  test('while the quota is used up, who waits for more is told that there is none yet', async ({
    expect,
  }) => {
    const log = opened();
    log.print('hello');
    await log.clock.advance(10_000);
    const first = await log.read();
    await log.read(first.next);
    await log.clock.advance(3_000);
    log.failures.push(exhausted());
    const asked = log.queries.length;
    for (let i = 0; i < 20; i++) {
      expect(await log.read(first.next)).toEqual({ text: '', next: first.next, ended: false });
      await log.clock.advance(500);
    }
    expect(log.queries.length).toBe(asked + 1);
    log.print('more', log.clock.now() - 6_000);
    await log.clock.advance(10_000);
    expect((await log.read(first.next)).text).toBe('more\n');
  });

  test('a first look without quota says so; the next one waits for it', async ({ expect }) => {
    const log = opened();
    log.failures.push(exhausted());
    await expect(log.read()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const before = log.clock.now();
    await log.clock.until(log.read());
    expect(log.clock.now() - before).toBeGreaterThanOrEqual(14_000);
    expect(log.queries).toHaveLength(2);
  });

  test('reads keep below the quota, however many logs are followed', async ({ expect }) => {
    const log = opened();
    const jobs = Array.from({ length: 30 }, (_, i) => String(i));
    const start = log.clock.now();
    while (log.clock.now() - start < 120_000) {
      await log.clock.until(Promise.all(jobs.map((jobId) => log.readOf(jobId))));
      await log.clock.advance(500);
    }
    const minutes = (log.clock.now() - start) / 60_000;
    expect(log.queries.length).toBeLessThanOrEqual(20 + 50 * minutes);
    expect(log.queries.length).toBeGreaterThan(50 * (minutes - 1));
  });

  test('another failure is told', async ({ expect }) => {
    const log = opened();
    log.failures.push(Object.assign(new Error('14 UNAVAILABLE'), { code: GRPC.unavailable }));
    await expect(log.read()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(log.read('17')).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  });
});
