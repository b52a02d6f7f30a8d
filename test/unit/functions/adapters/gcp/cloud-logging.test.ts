import { describe, test } from 'vitest';
import { createJobLogs } from '../../../../../functions/adapters/gcp/cloud-logging.ts';
import { GRPC } from '../../../../../functions/adapters/gcp/google-errors.ts';
import type { LogAnswer, LogQuery } from '../../../../../functions/adapters/gcp/log-client.ts';
import type { LogLine } from '../../../../../functions/adapters/gcp/log-cursor.ts';
import { instantText } from '../../../../../functions/adapters/gcp/log-entries.ts';
import type { JobTimes } from '../../../../../functions/adapters/gcp/log-pages.ts';
import { AppError } from '../../../../../shared/errors/app-error.ts';
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
  const emptyPages = { left: 0 };
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
      if (emptyPages.left > 0) {
        emptyPages.left -= 1;
        return { lines: [], next: String(at) };
      }
      const next = at + FULL < found.length ? String(at + FULL) : '';
      return { lines: found.slice(at, at + FULL), next };
    },
    close: async () => undefined,
  };
  const settings = { projectId: 'p', endpoint: null, clock, log: SILENT_LOG };
  const logs = createJobLogs(settings, client);
  const source = { project: 'p', jobId: '7', times: async () => times };

  return {
    clock,
    queries,
    failures,
    emptyPages,
    print(text: string, at = clock.now()) {
      lines.push({
        timestamp: instantText(at),
        insertId: `i${String(lines.length).padStart(5, '0')}`,
        text: `${text}\n`,
      });
    },
    end(at = clock.now()) {
      times = { createdAt: start, endedAt: at };
    },
    vanish() {
      times = null;
    },
    read: (cursor = '', maxBytes = 100_000) => logs.read(source, cursor, maxBytes),
    /** A reader that knows nothing of what others read. */
    another() {
      const others = createJobLogs(settings, client);
      return { read: (cursor: string) => others.read(source, cursor, 100_000) };
    },
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

  test('a search that found nothing yet goes on where it was, and the log has not ended', async ({
    expect,
  }) => {
    const log = opened();
    log.print('hello');
    log.end();
    await log.clock.advance(60_000);
    log.emptyPages.left = 7;
    expect(await log.read()).toEqual({ text: '', next: '', ended: false });
    expect(await log.read()).toMatchObject({ text: 'hello\n', ended: true });
    expect(log.queries).toHaveLength(8);
    expect(new Set(log.queries.map(({ filter }) => filter)).size).toBe(1);
    expect(log.queries.map(({ pageToken }) => pageToken)).toEqual(['', ...Array(7).fill('0')]);
  });

  test('a search whose token is refused begins again', async ({ expect }) => {
    const log = opened();
    log.print('hello');
    await log.clock.advance(60_000);
    log.emptyPages.left = 5;
    expect((await log.read()).text).toBe('');
    log.failures.push(Object.assign(new Error('3 INVALID'), { code: GRPC.invalidArgument }));
    expect((await log.read()).text).toBe('hello\n');
    expect(log.queries.at(-1)?.pageToken).toBe('');
  });

  test('more entries of one instant than one answer asks for are all given', async ({ expect }) => {
    const log = opened();
    const lines = Array.from({ length: 6_500 }, (_, i) => String(i).padStart(5, '0'));
    for (const line of lines) log.print(line);
    log.end();
    await log.clock.advance(60_000);
    let { text, next: cursor } = await log.read();
    const other = log.another();
    for (let ended = false; !ended; ) {
      const piece = await log.clock.until(other.read(cursor));
      text += piece.text;
      ({ next: cursor, ended } = piece);
    }
    expect(text).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  test('a log that was followed line by line is answered in one piece, at no cost but its end', async ({
    expect,
  }) => {
    const log = opened();
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}\n`);
    let cursor = '';
    for (const line of lines) {
      log.print(line.trimEnd());
      await log.clock.advance(10_000);
      cursor = (await log.read(cursor)).next;
    }
    await log.clock.advance(10_000);
    const before = log.queries.length;
    const ten = await Promise.all(Array.from({ length: 10 }, () => log.read()));
    for (const piece of ten) {
      expect(piece).toEqual({ text: lines.join(''), next: cursor, ended: false });
    }
    expect(log.queries).toHaveLength(before + 1);
    expect((await log.read('', 20)).text).toBe('line 0\nline 1\nline 2');
  });

  test('lines are given though what is behind them cannot be read', async ({ expect }) => {
    const log = opened();
    log.print('hello');
    await log.clock.advance(10_000);
    const { next } = await log.read();
    await log.clock.advance(10_000);
    const failure = Object.assign(new Error('14 UNAVAILABLE'), { code: GRPC.unavailable });
    log.failures.push(failure, failure);
    expect(await log.read()).toEqual({ text: 'hello\n', next, ended: false });
    await expect(log.read(next)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('another failure is told', async ({ expect }) => {
    const log = opened();
    log.failures.push(Object.assign(new Error('14 UNAVAILABLE'), { code: GRPC.unavailable }));
    await expect(log.read()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const away = new AppError('UNAVAILABLE', 'Vertex AI does not answer.');
    log.failures.push(away);
    await expect(log.read()).rejects.toBe(away);
    await expect(log.read('17')).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  });
});
