import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, type ExpectStatic, test } from 'vitest';
import * as z from 'zod';
import { errorBody } from '../../shared/api/error.ts';
import { ERROR_CATALOG } from '../../shared/errors/catalog.ts';
import { ADDRESS_CASES } from './hostile/address-cases.ts';
import { BODY_CASES } from './hostile/body-cases.ts';
import { CONFIG_CASES } from './hostile/config-cases.ts';
import { CONNECTION_CASES, head } from './hostile/connection-cases.ts';
import type { HostileCase } from './hostile/hostile-case.ts';
import {
  type Answer,
  answerOn,
  type HostileService,
  startHostileService,
} from './hostile/hostile-service.ts';
import { LAYER_CASES } from './hostile/layer-cases.ts';
import { SPEC_CASES } from './hostile/spec-cases.ts';
import { UPLOAD_CASES } from './hostile/upload-cases.ts';

const AREAS = {
  'a body': BODY_CASES,
  'a submission': SPEC_CASES,
  'a config': CONFIG_CASES,
  'a layer': LAYER_CASES,
  'an upload': UPLOAD_CASES,
  'an address': ADDRESS_CASES,
  'a connection': CONNECTION_CASES,
};
// Room for twenty bounded problems; a value of a request is never told whole.
const LONGEST_MESSAGE = 4_000;
const FILES = new Set([
  'builds',
  'layers',
  'logs',
  'process',
  'serve.json',
  'serve.lock',
  'serve.lock-journal',
  'service.db',
  'service.db-shm',
  'service.db-wal',
  'token',
]);

let service: HostileService;
beforeAll(async () => {
  service = await startHostileService();
});
afterAll(() => service.stop());

for (const [area, cases] of Object.entries(AREAS)) {
  describe(`refused in ${area}`, () => {
    for (const { name, code, says, send } of cases) {
      test(name, async ({ expect }) => {
        const error = refusalOf(expect, await send(service), code);
        expect(error.message).toMatch(says);
      });
    }
  });
}

describe('refused at the door', () => {
  test('every route below /v1 without a token, with a wrong one and with another scheme', async ({
    expect,
  }) => {
    const routes = await protectedRoutes();
    expect(routes.length).toBeGreaterThan(15);
    for (const { method, path } of routes) {
      for (const Authorization of ['', 'Bearer wrong-token-0123456789', 'Basic dXNlcjpwYXNz']) {
        const answer = await service.request(method, path, { headers: { Authorization } });
        refusalOf(expect, answer, 'UNAUTHENTICATED');
      }
    }
  });

  test('bodies that break off, without harm to others', async ({ expect }) => {
    const cut = await service.dial();
    cut.write(`${head({ 'Content-Length': '1000' })}{"schema`);
    cut.destroy();
    const halfClosed = await service.dial();
    halfClosed.end(`${head({ 'Content-Length': '1000' })}{"schema`);
    const error = refusalOf(expect, await answerOn(halfClosed), 'REQUEST_INVALID');
    expect(error.message).toContain('no whole HTTP request');
  });

  test('what is no HTTP, and headers without end', async ({ expect }) => {
    const noise = await service.dial();
    noise.end('\x16\x03\x01\x02\x00 evil\r\n\r\n');
    refusalOf(expect, await answerOn(noise), 'REQUEST_INVALID');
    const large = await service.dial();
    large.write(head({ 'X-Evil': 'x'.repeat(20_000) }));
    refusalOf(expect, await answerOn(large), 'REQUEST_TOO_LARGE');
  });
});

describe('after all of it', () => {
  test('the service is well and has done nothing', async ({ expect }) => {
    for (const path of ['/healthz', '/readyz']) {
      expect((await service.request('GET', path)).status).toBe(200);
    }
    expect(rowsOf(['submissions', 'configs', 'groups', 'experiments', 'jobs', 'outbox'])).toEqual(
      [],
    );
  });

  test('no file is outside the data directory, and none in it that is not known', async ({
    expect,
  }) => {
    expect(await readdir(service.home)).toEqual(['data']);
    const files = await readdir(service.dataDir);
    expect(files.filter((name) => !FILES.has(name))).toEqual([]);
    const all = await readdir(service.dataDir, { recursive: true });
    expect(all.filter((name) => name.includes('evil') || name.endsWith('.py'))).toEqual([]);
  });

  test('a refused layer is not there', async ({ expect }) => {
    const { text } = await service.post('/v1/layers/check', { diffIds: ['e'.repeat(64)] });
    expect(text).toContain('missing');
  });

  test('a sound request with the key of the refused ones is taken and runs', async ({ expect }) => {
    expect((await service.submit({ command: ['true'] })).status).toBe(202);
    expect(rowsOf(['submissions', 'groups'])).toEqual(['submissions', 'groups']);
    const jobs = async () => (await service.request('GET', '/v1/jobs')).text;
    await expect.poll(jobs, { timeout: 10_000 }).toContain('"state":"SUCCEEDED"');
  });

  test('the log has no defect', async ({ expect }) => {
    expect(await defects()).toEqual([]);
  });
});

/** The error of an answer in the one error form, which has all that a refusal must have. */
function refusalOf(expect: ExpectStatic, answer: Answer, code: HostileCase['code']) {
  const { error } = errorBody.parse(JSON.parse(answer.text));
  expect({ code: error.code, status: answer.status }, error.message).toEqual({
    code,
    status: ERROR_CATALOG[code].status,
  });
  expect(answer.status).toBeLessThan(500);
  expect(error.message).not.toBe('');
  expect(error.hint ?? '', `no hint: ${error.message}`).not.toBe('');
  expect(error.message.length).toBeLessThan(LONGEST_MESSAGE);
  expect(answer.text).not.toMatch(/ {4}at |node_modules|\.ts:\d/);
  expect(answer.text).not.toContain(service.home);
  return error;
}

const description = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({}))),
});

async function protectedRoutes() {
  const { text } = await service.request('GET', '/openapi.json');
  const { paths } = description.parse(JSON.parse(text));
  return Object.entries(paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({
        method: method.toUpperCase(),
        path: path.replaceAll(/\{\w+\}/g, 'x'),
      })),
    );
}

/** Names of the tables that have rows. */
function rowsOf(tables: readonly string[]): string[] {
  const database = new DatabaseSync(join(service.dataDir, 'service.db'), { readOnly: true });
  try {
    return tables.filter((table) => database.prepare(`SELECT 1 FROM "${table}"`).get());
  } finally {
    database.close();
  }
}

async function defects(): Promise<string[]> {
  const log = await readFile(join(service.dataDir, 'logs', 'service.log'), 'utf8');
  return log.split('\n').filter((line) => line.includes('"defect"'));
}
