import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import * as z from 'zod';
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

  test('the log has no defect', async ({ expect }) => {
    expect((await logOf(service)).filter(({ message }) => message === 'defect')).toEqual([]);
  });
});

const description = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
const logLine = z.object({
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
