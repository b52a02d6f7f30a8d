import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, type TestContext, test } from 'vitest';
import { errorBody } from '../../shared/api/error.ts';
import { caliban, startOneMachine } from '../doubles/one-machine.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const CHILD = fileURLToPath(new URL('./thread-death-child.ts', import.meta.url));
const FAULT = fileURLToPath(new URL('../fixtures/commit-thread-fault.ts', import.meta.url));

describe('a store whose commit thread dies', () => {
  test.for(['before', 'broken'])(
    'before anything is written (%s): nobody waits for ever, nothing is there, and the same goes well again',
    async (fault, t) => {
      t.expect(await childWith(t, fault)).toEqual({
        told: ['UNAVAILABLE', 'UNAVAILABLE'],
        found: [false, false, false],
        again: ['done', 'done', 'done'],
      });
    },
  );

  test('after its COMMIT: nobody takes what he wrote himself for another’s, and it is there', async (t) => {
    t.expect(await childWith(t, 'after')).toEqual({
      told: ['UNAVAILABLE', 'UNAVAILABLE'],
      found: [true, true, false],
      // Written again without a look, what is there is stale.
      again: ['StaleVersion', 'StaleVersion', 'done'],
    });
  });
});

test('a store that is closed while a group is written waits until it is on the disk', async (t) => {
  t.expect(await childWith(t, 'slow')).toEqual({ found: 1, told: 'done' });
});

describe('a service whose commit thread dies again and again', () => {
  test.for(['before', 'after'])(
    '%s its COMMIT: runs what it accepted, each job once',
    { timeout: 120_000 },
    async (fault, t) => {
      const { path, remove } = temporaryDirectory();
      t.onTestFinished(remove);
      const { env, arm, isArmed } = aFault(path, fault);
      const service = await startOneMachine(t.onTestFinished, join(path, 'data'), {
        node: ['--require', FAULT],
        env,
      });
      const runs = join(path, 'runs');
      const sweep = { script: `echo "$2" >> '${runs}'`, count: 8, key: 'sweep' };
      arm();
      const lost = await service.submit(sweep);
      t.expect(lost.status).toBe(503);
      t.expect(Number(lost.headers.get('Retry-After'))).toBeGreaterThan(0);
      t.expect(errorBody.parse(await lost.json()).error.code).toBe('UNAVAILABLE');
      t.expect((await service.submit(sweep)).status).toBe(202);
      for (let deaths = 0; deaths < 6; deaths++) {
        arm();
        while (isArmed() && !(await isOver(service.states()))) await sleep(20);
      }
      await service.until(8, 'SUCCEEDED');
      const lines = readFileSync(runs, 'utf8').trim().split('\n');
      t.expect(lines.toSorted()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
      const check = await caliban(['admin', 'check', '--layers', '--data_dir', service.dataDir]);
      t.expect(check.stdout).toMatch(/nothing differs\n$/);
    },
  );
});

async function isOver(asked: Promise<Readonly<Record<string, number>>>): Promise<boolean> {
  const { SUCCEEDED = 0 } = await asked;
  return SUCCEEDED === 8;
}

function aFault(directory: string, fault: string) {
  const marker = join(directory, 'fault');
  return {
    env: { COMMIT_THREAD_FAULT: marker },
    arm: () => writeFileSync(marker, fault),
    isArmed: () => existsSync(marker),
  };
}

async function childWith(t: TestContext, fault: string): Promise<unknown> {
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const words = ['--require', FAULT, CHILD, join(path, 'service.db'), fault];
  const env = { ...process.env, ...aFault(path, fault).env };
  const { stdout } = await promisify(execFile)(process.execPath, words, { env, timeout: 60_000 });
  return JSON.parse(stdout);
}
