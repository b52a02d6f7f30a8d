import loggingLibrary from '@google-cloud/logging';
import { describe, type TestContext, test } from 'vitest';
import { startCloudLogging } from '../../doubles/cloud-logging/cloud-logging.ts';
import { nanosOfMs } from '../../doubles/google-api/comparing.ts';
import { startGoogleApi } from '../../doubles/google-api/google-api.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';
import { createManualClock } from '../../doubles/manual-clock.ts';
import { clientOptionsFor } from './google-client.ts';

const { Logging } = loggingLibrary;
const START = Date.UTC(2026, 0, 1);
const LINES = ['one', 'two', 'three', 'four', 'five'];

/** Five lines of job 7, a second apart from START on (`two` and `three` at once; `four` an ERROR), and one line of job 8. */
async function opened(t: TestContext, options = {}) {
  const clock = createManualClock(START);
  const api = await startGoogleApi({ clock });
  t.onTestFinished(api.close);
  const logging = startCloudLogging(api, options);
  const write = (message: string, afterMs: number, job = '7') =>
    logging.write({
      logName: `projects/${TEST_PROJECT.id}/logs/workerpool0-0`,
      resource: { type: 'ml_job', labels: { job_id: job, task_name: 'workerpool0-0' } },
      severity: message === 'four' ? 'ERROR' : 'INFO',
      timestamp: nanosOfMs(START + afterMs) + 5n,
      message,
      fields: { levelname: 'x' },
      labels: { 'ml.googleapis.com/a': 'b' },
    });
  for (const [index, text] of LINES.entries()) write(text, text === 'three' ? 1000 : index * 1000);
  write('other', 500, '8');
  const client = new Logging(clientOptionsFor(api, t));
  const read = async (filter: string, more: object = {}) => {
    const [entries] = await client.getEntries({ filter, autoPaginate: false, ...more });
    return entries;
  };
  const texts = async (filter: string, more: object = {}) =>
    (await read(filter, more)).map(({ data }) => data.message);
  return { api, client, clock, logging, read, texts, write };
}

const JOB =
  'resource.type="ml_job" AND resource.labels.job_id="7" AND timestamp>="2026-01-01T00:00:00Z"';
const asc = { orderBy: 'timestamp asc' };

describe('reading', () => {
  test('the lines of a job come in order, with all that belongs to them', async (t) => {
    const { read, texts } = await opened(t);
    t.expect((await texts(JOB, asc)).toSorted()).toEqual(LINES.toSorted());
    t.expect((await texts(JOB, asc))[0]).toBe('one');
    t.expect((await texts(JOB, { orderBy: 'timestamp desc' }))[0]).toBe('five');
    const [entry] = await read(JOB, asc);
    t.expect(entry?.data).toEqual({ message: 'one', levelname: 'x' });
    t.expect(entry?.metadata).toMatchObject({
      severity: 'INFO',
      resource: { type: 'ml_job', labels: { job_id: '7' } },
      labels: { 'ml.googleapis.com/a': 'b' },
      insertId: t.expect.stringMatching(/^[a-z0-9]+$/),
    });
  });

  test('a cursor of time and insert id goes on where it stopped', async (t) => {
    const { read, texts } = await opened(t);
    const [, second, third] = await read(JOB, asc);
    const time = '2026-01-01T00:00:01.000000005Z';
    const after = `timestamp>"${time}" OR (timestamp="${time}" insertId>"${second?.metadata.insertId}")`;
    t.expect(await texts(`${JOB} AND (${after})`, asc)).toEqual([
      third?.data.message,
      'four',
      'five',
    ]);
  });

  test.for([
    ['severity>=ERROR', ['four']],
    ['severity=INFO resource.labels.job_id="8"', ['other']],
    ['timestamp > "2026-01-01T00:00:02.5Z" NOT jsonPayload.message:"FI"', ['four']],
    ['labels."ml.googleapis.com/a"="b" AND jsonPayload.message=one', ['one']],
    [`logName="projects/${TEST_PROJECT.id}/logs/workerpool0-0" jsonPayload.message=two`, ['two']],
    ['textPayload:*', []],
  ] as const)('filter %s', async ([filter, expected], t) => {
    const { texts } = await opened(t);
    t.expect(await texts(`timestamp>="2026-01-01T00:00:00Z" AND (${filter})`)).toEqual(expected);
  });

  test('pages are whole in both directions', async (t) => {
    const { client } = await opened(t);
    for (const orderBy of ['timestamp asc', 'timestamp desc']) {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const options = { filter: JOB, orderBy, pageSize: 2, pageToken, autoPaginate: false };
        const [entries, , reply] = await client.getEntries(options);
        seen.push(...entries.map(({ data }) => data.message));
        pageToken = reply.nextPageToken ?? '';
      } while (pageToken !== '');
      t.expect(seen.toSorted()).toEqual(LINES.toSorted());
    }
  });

  test('a search that stops early goes on by its token, from short and empty pages', async (t) => {
    const { client } = await opened(t, { entriesPerRead: 2 });
    const pages: string[][] = [];
    let pageToken = '';
    do {
      const options = { filter: `${JOB} AND NOT jsonPayload.message=two`, ...asc, pageToken };
      const [entries, , reply] = await client.getEntries({ ...options, autoPaginate: false });
      pages.push(entries.map(({ data }) => data.message));
      pageToken = reply.nextPageToken ?? '';
    } while (pageToken !== '');
    // In order: one, other; two and three; four, five.
    t.expect(pages).toEqual([['one'], ['three'], ['four', 'five']]);
    const options = { filter: 'jsonPayload.message=five', ...asc, autoPaginate: false };
    const [entries, , reply] = await client.getEntries(options);
    t.expect(entries).toEqual([]);
    t.expect(reply.nextPageToken).not.toBe('');
  });

  test('an entry can be read when it has been taken in', async (t) => {
    const { clock, texts } = await opened(t, { ingestionDelayMs: 3000 });
    await clock.advance(2999);
    t.expect(await texts(JOB)).toEqual([]);
    await clock.advance(1);
    t.expect(await texts(JOB)).toHaveLength(5);
  });
});

describe('refusing', () => {
  test.for(['color="red"', 'timestamp>"soon"', 'severity=LOUD', 'resource.type=', 'word'])(
    'filter %s',
    async (filter, t) => {
      const { read } = await opened(t);
      await t.expect(read(`${filter} AND ${JOB}`)).rejects.toMatchObject({ code: 3 });
    },
  );

  test('pages of more than 1000, orders it does not have, projects it does not know', async (t) => {
    const { read } = await opened(t);
    await t.expect(read(JOB, { pageSize: 1001 })).rejects.toMatchObject({ code: 3 });
    await t.expect(read(JOB, { orderBy: 'severity' })).rejects.toMatchObject({ code: 3 });
    const other = read(JOB, { resourceNames: ['projects/other'] });
    await t.expect(other).rejects.toMatchObject({ code: 7 });
  });

  test('more than 60 reads a minute', async (t) => {
    const { api, clock, read } = await opened(t);
    for (let count = 0; count < 60; count++) await read(JOB);
    api.faults.clear();
    const metric = t.expect.stringContaining('logging.googleapis.com/read_requests');
    await t.expect(read(JOB, { gaxOptions: { retry: null } })).rejects.toMatchObject({
      code: 8,
      details: metric,
    });
    await clock.advance(1000);
    await read(JOB);
  });

  test('methods other than ListLogEntries', async (t) => {
    const { client } = await opened(t);
    const writing = client.log('x').write(client.log('x').entry('text'));
    await t.expect(writing).rejects.toMatchObject({ code: 12 });
  });
});
