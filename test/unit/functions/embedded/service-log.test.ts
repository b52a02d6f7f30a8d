import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, type TestContext, test, vi } from 'vitest';
import {
  openServiceLog,
  type ServiceLog,
  type ServiceLogOptions,
} from '../../../../functions/embedded/service-log.ts';
import { aTemporaryDirectory } from '../../../doubles/layer-upload.ts';
import { logLines } from '../../../doubles/log-lines.ts';

const TOKEN = 'to"ken\\of-a-test/0123456789';

describe('a line of the log', () => {
  test('tells an error with its stack, a text as it is', async (t) => {
    const { log, closed } = await aLog(t);
    const error = new Error('disk full', { cause: new Error('no space') });
    log.error({ lane: 'here', error }, 'sync failed');
    log.warn({ error: 'Error: busy' }, 'step failed');
    t.expect(await closed()).toMatchObject([
      {
        ...{ level: 'error', message: 'sync failed', lane: 'here' },
        err: { message: 'disk full', stack: error.stack, cause: 'Error: no space' },
      },
      { level: 'warn', message: 'step failed', error: 'Error: busy' },
    ]);
  });

  test('has nothing else that hangs on an error: Node hangs the arguments of a program on it', async (t) => {
    const { log, closed } = await aLog(t);
    const child = spawn('/there/is/no/such/program', ['--password', 'hunter2']);
    const [error] = await once(child, 'error').catch((thrown: unknown) => [thrown]);
    t.expect(error).toMatchObject({ spawnargs: ['--password', 'hunter2'] });
    log.error({ error }, 'no supervisor');
    const [line] = await closed();
    t.expect(line).toMatchObject({ err: { code: 'ENOENT' } });
    t.expect(JSON.stringify(line)).not.toContain('hunter2');
  });

  test('never has a token, whatever way it came in', async (t) => {
    const { log, path, closed } = await aLog(t, { secrets: [TOKEN] });
    log.info({ path: `/v1/groups/${TOKEN}` }, `asked with ${TOKEN}`);
    log.info({ path: `/v1/groups/${encodeURIComponent(TOKEN)}` }, 'request');
    log.error({ error: new Error(`${TOKEN} is no id`) }, 'defect');
    t.expect(await closed()).toMatchObject([
      { path: '/v1/groups/[secret]', message: 'asked with [secret]' },
      { path: '/v1/groups/[secret]' },
      { err: { message: '[secret] is no id' } },
    ]);
    const text = await readFile(path, 'utf8');
    for (const part of ['to\\"ken', 'to%22ken', '0123456789']) t.expect(text).not.toContain(part);
  });

  test('has no part of a token either, wherever a text is cut', async (t) => {
    const { log, path, closed } = await aLog(t, { secrets: [TOKEN] });
    const long = (before: number) => `${'a'.repeat(before)}${TOKEN}${'b'.repeat(5_000)}`;
    for (let cut = 1; cut < TOKEN.length; cut++) {
      const error = new Error(long(1_000 - cut), { cause: long(1_000 - cut) });
      error.stack = long(4_000 - cut);
      log.info({ path: long(300 - cut), principal: long(1_000 - cut) }, 'request');
      log.error({ error }, 'defect');
      log.error({ error: long(4_000 - cut) }, 'defect');
    }
    const lines = await closed();
    t.expect(lines).toHaveLength(3 * (TOKEN.length - 1));
    t.expect(lines[0]?.['path']).toHaveLength(300);
    const text = await readFile(path, 'utf8');
    t.expect(text.match(/aaat.{0,20}/g)).toBeNull();
  });

  test('says when it was written, in UTC', async (t) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    t.onTestFinished(() => {
      vi.useRealTimers();
    });
    const { log, closed } = await aLog(t);
    const start = Date.UTC(2026, 11, 31, 23, 59, 58, 7);
    const instants = [0, 0, 992, 993, 1_000, 1_993, 70_000, -5_000].map((ms) => start + ms);
    for (const at of instants) {
      vi.setSystemTime(at);
      log.info({}, 'now');
    }
    const told = (await closed()).map(({ time }) => time);
    t.expect(told).toEqual(instants.map((at) => new Date(at).toISOString()));
  });

  test('is left out below the level', async (t) => {
    const told = { debug: 4, info: 3, warn: 2, error: 1 } as const;
    for (const level of ['debug', 'info', 'warn', 'error'] as const) {
      const { log, closed } = await aLog(t, { level });
      for (const at of ['debug', 'info', 'warn', 'error'] as const) log[at]({}, at);
      t.expect(await closed(), level).toHaveLength(told[level]);
    }
  });

  test('carries what it was written within, over waits, and nothing of what goes on beside it', async (t) => {
    const { log, closed } = await aLog(t);
    const answer = (requestId: string) =>
      log.within({ requestId, step: 'outer' }, async () => {
        await new Promise(setImmediate);
        log.info({ jobId: requestId }, 'one');
        await log.within({ step: 'inner' }, async () => {
          await new Promise(setImmediate);
          log.info({}, 'two');
        });
      });
    await Promise.all([answer('a'), answer('b')]);
    log.info({}, 'outside');
    const lines = await closed();
    for (const requestId of ['a', 'b']) {
      const own = lines.filter((line) => line['requestId'] === requestId);
      t.expect(own).toMatchObject([
        { jobId: requestId, step: 'outer', message: 'one' },
        { step: 'inner', message: 'two' },
      ]);
    }
    t.expect(lines.at(-1)).not.toHaveProperty('requestId');
  });
});

describe('the file of the log', () => {
  test('gets lines within a moment, an error at once with all before it', async (t) => {
    const { log, path } = await aLog(t);
    log.info({}, 'first');
    await t.expect.poll(() => readFile(path, 'utf8'), { timeout: 10_000 }).toContain('first');
    log.info({}, 'second');
    log.error({}, 'third');
    t.expect(await readFile(path, 'utf8')).toMatch(/first.*\n.*second.*\n.*third.*\n$/);
  });

  test('drops what comes after its end, and hinders nobody', async (t) => {
    const { log, closed } = await aLog(t);
    log.info({}, 'serving');
    log.close();
    log.info({}, 'too late');
    log.error({}, 'too late');
    t.expect(await closed()).toMatchObject([{ message: 'serving' }]);
  });

  test('stays within its bound while it is written, with one older file beside it', async (t) => {
    const maxBytes = 20_000;
    const { log, path, closed } = await aLog(t, { maxBytes });
    const count = 1_000;
    for (let n = 0; n < count; n++) {
      log.info({ n }, 'x'.repeat(100));
      if (n % 10 === 9) log.error({ n }, 'now');
    }
    const newest = await closed();
    const older = await logLines(`${path}.1`);
    for (const file of [path, `${path}.1`]) {
      const { size, mode } = await stat(file);
      t.expect(size).toBeLessThanOrEqual(maxBytes);
      t.expect(mode & 0o777).toBe(0o600);
    }
    const numbers = [...older, ...newest].flatMap(({ n, message }) =>
      message === 'now' ? [] : [n],
    );
    t.expect(numbers.at(-1)).toBe(count - 1);
    const first = Number(numbers[0]);
    t.expect(numbers).toEqual(Array.from({ length: count - first }, (_, at) => first + at));
  });

  test('that was put aside or removed by somebody is begun anew, at the bound', async (t) => {
    const { log, path, closed } = await aLog(t, { maxBytes: 2_000 });
    log.error({}, 'before');
    await rm(path);
    for (let n = 0; n < 30; n++) log.error({ n }, 'x'.repeat(100));
    t.expect((await closed()).at(-1)).toMatchObject({ n: 29 });
  });

  test('a disk that takes nothing costs lines, not the service, and the gap is told', async (t) => {
    const { log, path, closed } = await aLog(t, { maxBytes: 1_000 });
    // Nothing can be put aside, and beyond its bound nothing is written.
    await mkdir(join(`${path}.1`, 'in the way'), { recursive: true });
    for (let n = 0; n < 1_200; n++) log.info({ n }, 'x'.repeat(1_000));
    log.error({}, 'no place left');
    t.expect(log.failure()).toBeTypeOf('string');
    t.expect(log.lost()).toBeGreaterThan(100);
    const first = await logLines(path);
    t.expect(first.length).toBeLessThan(40);
    await rm(`${path}.1`, { recursive: true });
    await t.expect.poll(() => log.failure(), { timeout: 10_000 }).toBeNull();
    log.info({}, 'again');
    t.expect(await closed()).toMatchObject([
      { level: 'warn', lost: log.lost(), message: 'lines of this log were lost' },
      { message: 'again' },
    ]);
    const kept = await logLines(`${path}.1`);
    t.expect(first.length + kept.length + log.lost()).toBe(1_201);
  });

  test('goes on where an earlier start ended', async (t) => {
    const path = join(await aTemporaryDirectory(), 'service.log');
    await writeFile(path, '{"message":"earlier"}\n');
    const log = openServiceLog({ path });
    log.info({}, 'now');
    log.close();
    t.expect(await logLines(path)).toMatchObject([{ message: 'earlier' }, { message: 'now' }]);
  });
});

describe('a process that ends without closing the log', { timeout: 30_000 }, () => {
  test('by an error of its own loses nothing', async (t) => {
    const { path, child } = await aProcessThatLogs('throws');
    await once(child, 'exit');
    t.expect(await logLines(path)).toMatchObject([{ message: 'last words' }]);
  });

  test('by SIGKILL keeps what is older than a moment', async (t) => {
    const { path, child } = await aProcessThatLogs('waits');
    await t.expect
      .poll(() => readFile(path, 'utf8').catch(() => ''), { timeout: 20_000 })
      .not.toBe('');
    child.kill('SIGKILL');
    await once(child, 'exit');
    t.expect(await logLines(path)).toMatchObject([{ message: 'last words' }]);
  });
});

async function aLog({ onTestFinished }: TestContext, options: Partial<ServiceLogOptions> = {}) {
  const path = join(await aTemporaryDirectory(), 'logs', 'service.log');
  const log: ServiceLog = openServiceLog({ path, ...options });
  onTestFinished(() => log.close());
  const closed = () => {
    log.close();
    return logLines(path);
  };
  return { log, path, closed };
}

async function aProcessThatLogs(end: 'throws' | 'waits') {
  const path = join(await aTemporaryDirectory(), 'service.log');
  const program = fileURLToPath(new URL('../../../doubles/logging-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program, path, end], { stdio: 'ignore' });
  return { path, child };
}
