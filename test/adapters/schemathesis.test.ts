import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import * as z from 'zod';
import { checkPage } from '../../shared/api/check.ts';
import { hasSchemathesis } from '../fixtures/schemathesis/install-schemathesis.ts';
import { type HostileService, startHostileService } from './hostile/hostile-service.ts';
import { runSchemathesis } from './schemathesis/run-schemathesis.ts';

// About 25 s on two idle cores; a loaded machine may take many times that.
const OPTIONS = { examples: 15, seed: 1, seconds: null, output: 'pipe' } as const;
const START_MS = 60_000;
const LONGEST_MS = 15 * 60_000;

describe.runIf(await hasSchemathesis())('the API against its own description', () => {
  let service: HostileService;
  beforeAll(async () => {
    service = await startHostileService();
  }, START_MS);
  afterAll(() => service.stop());

  test('no defect, no undocumented answer, nothing taken that is forbidden or refused that is not', {
    timeout: LONGEST_MS,
  }, async ({ expect, signal }) => {
    const { status, report } = await runSchemathesis(service, { ...OPTIONS, signal });
    expect(status, report).toBe(0);
  });

  test('every operation has also done what it is for', async ({ expect }) => {
    const operations = await operationsOf(service);
    expect(operations.length).toBeGreaterThan(20);
    // The log is written a moment later.
    await expect
      .poll(async () => {
        const done = await answeredWell(service);
        return operations.filter(({ pattern }) => !done.some((request) => pattern.test(request)));
      })
      .toEqual([]);
  });

  test('what it has stored contradicts itself nowhere', async ({ expect }) => {
    const checked = async () => {
      const { text } = await service.request('GET', '/v1/admin/check?layers=true');
      return checkPage.parse(JSON.parse(text));
    };
    await expect.poll(checked).toMatchObject({ differences: [], next: null });
  });

  test('the log has no error, of a request or of what came of it', async ({ expect }) => {
    expect((await logOf(service)).filter(({ level }) => level === 'error')).toEqual([]);
  });
});

const description = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
const logLine = z.looseObject({
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: z.string(),
  method: z.string().optional(),
  path: z.string().optional(),
  status: z.number().optional(),
});

async function operationsOf(service: HostileService) {
  const { text } = await service.request('GET', '/openapi.json');
  return Object.entries(description.parse(JSON.parse(text)).paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      pattern: new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    })),
  );
}

/** Requests that were answered with a success, as METHOD PATH. */
async function answeredWell(service: HostileService): Promise<string[]> {
  const lines = await logOf(service);
  return lines
    .filter(({ message, status = 500 }) => message === 'request' && status < 400)
    .map(({ method, path }) => `${method} ${path}`);
}

async function logOf({ dataDir }: HostileService) {
  const log = await readFile(join(dataDir, 'logs', 'service.log'), 'utf8');
  return log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => logLine.parse(JSON.parse(line)));
}
