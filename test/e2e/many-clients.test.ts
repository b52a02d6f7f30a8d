import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { type Machine, scratchMachine } from './built-cli.ts';

/** `work.sh FILE --doze S --exit C --n N`: a line in FILE, two lines of output, an exit status. */
const SCRIPT = `#!/bin/sh
echo "$CALIBAN_JOB_ID" >> "$1"
echo "begin $7"
sleep "$3"
echo "end $7"
exit "$5"
`;
const ENDLESS = 900;

describe('ten commands at once against one service', () => {
  test('each ends as documented, and the counts add up', async (t) => {
    const machine = await aMachine(t);
    t.expect((await machine.caliban(['serve', '--detach', '--slots', '4'])).status).toBe(0);
    const points = Array.from({ length: 12 }, (_, n) => ({ doze: 0.1, exit: 0, n }));
    const endless = points.slice(0, 5).map((point) => ({ ...point, doze: ENDLESS }));
    const [first, ...others] = points;
    const oneFails = [{ ...first, doze: 0, exit: 3 }, ...others];

    const reading = new AbortController();
    const reader = readAgainAndAgain(machine, reading.signal);
    const ended = await Promise.all([
      ...['g0', 'g1', 'g2', 'g3'].map((group) => cloud(machine, group, points)),
      cloud(machine, 'g4', oneFails),
      cloud(machine, 's0', endless),
      cloud(machine, 's1', endless),
      stopOnceItRuns(machine, 's0'),
      stopOnceItRuns(machine, 's1'),
      followFirstJob(machine, 'g0'),
    ]).finally(() => reading.abort());
    const reads = await reader;

    const told = ended.map(({ stderr }) => stderr).join('\n');
    t.expect(
      ended.map(({ status }) => status),
      told,
    ).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    t.expect(ended.at(-1)?.stdout).toBe('begin 0\nend 0\n');
    t.expect(ended[4]?.stdout).toContain('12 jobs: 11 succeeded, 1 failed');
    t.expect(ended[5]?.stdout).toContain('5 jobs: 5 stopped');
    t.expect(
      reads.every(({ status }) => status === 0),
      JSON.stringify(reads),
    ).toBe(true);
    const groups = ['g0', 'g1', 'g2', 'g3', 'g4', 's0', 's1'];
    const counts = await Promise.all(groups.map((group) => settledCounts(machine, group)));
    t.expect(counts.map(({ total }) => total)).toEqual([12, 12, 12, 12, 12, 5, 5]);
    t.expect(counts.map(({ SUCCEEDED }) => SUCCEEDED)).toEqual([12, 12, 12, 12, 11, 0, 0]);
    t.expect(counts.map(({ FAILED }) => FAILED)).toEqual([0, 0, 0, 0, 1, 0, 0]);
    t.expect(counts.map(({ STOPPED }) => STOPPED)).toEqual([0, 0, 0, 0, 0, 5, 5]);
    await ranOnceEach(t, machine, { finished: 60, atMost: 70 });
    await nothingFailedInside(t, machine, [...ended, ...reads]);
  });

  test('that find no service start exactly one between them', async (t) => {
    const machine = await aMachine(t);
    const groups = ['a', 'b', 'c', 'd', 'e'];
    const points = [0, 1].map((n) => ({ doze: 0, exit: 0, n }));
    const ended = await Promise.all(groups.map((group) => cloud(machine, group, points)));
    const told = ended.map(({ stderr }) => stderr).join('\n');
    t.expect(
      ended.map(({ status }) => status),
      told,
    ).toEqual([0, 0, 0, 0, 0]);
    const started = new Set(told.match(/Started a service on this machine \(.*?\)/g));
    t.expect([...started]).toHaveLength(1);
    t.expect([...started][0]).toContain(`process ${machine.servePid()}`);
    t.expect((await serviceLog(machine)).match(/"message":"serving"/g)).toHaveLength(1);
    await ranOnceEach(t, machine, { finished: 10, atMost: 10 });
    await nothingFailedInside(t, machine, ended);
  });
});

describe('a second service in the same directory', () => {
  test('is refused with the address of the first, which goes on', async (t) => {
    const machine = await aMachine(t);
    await machine.caliban(['serve', '--detach']);
    const pid = machine.servePid();
    const { status, stderr } = await machine.caliban(['serve']);
    t.expect(status).toBe(6);
    t.expect(stderr).toMatch(
      /^error: A service runs already at http:\S+ \(process \d+\); stop it first/,
    );
    t.expect(stderr).toContain(`(process ${pid})`);
    t.expect((await machine.caliban(['serve', '--status'])).status).toBe(0);
    t.expect(machine.servePid()).toBe(pid);
  });

  test('started at the same time in the background: both commands name the one that serves', async (t) => {
    const machine = await aMachine(t);
    const start = () => machine.caliban(['serve', '--detach', '--json']);
    const both = await Promise.all([start(), start()]);
    t.expect(both.map(({ status }) => status)).toEqual([0, 0]);
    const named = both.map(({ stdout }) => JSON.parse(stdout));
    t.expect(named[0]).toEqual(named[1]);
    t.expect(named[0]).toMatchObject({ pid: machine.servePid() });
    t.expect((await serviceLog(machine)).match(/"message":"serving"/g)).toHaveLength(1);
  });
});

async function aMachine({ onTestFinished }: TestContext): Promise<Machine> {
  const machine = scratchMachine(onTestFinished);
  await mkdir(join(machine.home, 'project'));
  await writeFile(join(machine.home, 'project', 'work.sh'), SCRIPT);
  return machine;
}

type Ran = Awaited<ReturnType<Machine['caliban']>>;

async function cloud(machine: Machine, group: string, points: readonly object[]): Promise<Ran> {
  const config = ['--experiment_config', '-', '--xgroup', group];
  const lines = join(machine.home, 'lines.txt');
  return machine.caliban(['cloud', '--nogpu', '--wait', ...config, 'work.sh', '--', lines], {
    cwd: join(machine.home, 'project'),
    input: JSON.stringify(points),
  });
}

const counts = z.object({
  total: z.number(),
  SUBMITTED: z.number(),
  RUNNING: z.number(),
  SUCCEEDED: z.number(),
  FAILED: z.number(),
  STOPPED: z.number(),
});
const groupStatus = z.object({
  group: z.object({ counts }),
  experiments: z.array(
    z.object({ jobs: z.array(z.object({ id: z.string(), state: z.string() })) }),
  ),
});

// Undefined while there is no such group.
async function statusOf(machine: Machine, group: string) {
  const { status, stdout, stderr } = await machine.caliban(['status', '--xgroup', group, '--json']);
  if (status === 3) return undefined;
  if (status !== 0) throw new Error(`status ended with ${status}: ${stderr}`);
  return groupStatus.parse(JSON.parse(stdout));
}

async function stopOnceItRuns(machine: Machine, group: string): Promise<Ran> {
  await until(async () => ((await statusOf(machine, group))?.group.counts.RUNNING ?? 0) > 0);
  return machine.caliban(['stop', '--xgroup', group, '--yes']);
}

async function followFirstJob(machine: Machine, group: string): Promise<Ran> {
  let id: string | undefined;
  await until(async () => {
    id = (await statusOf(machine, group))?.experiments[0]?.jobs[0]?.id;
    return id !== undefined;
  });
  return machine.caliban(['logs', '--follow', id ?? '']);
}

async function readAgainAndAgain(machine: Machine, signal: AbortSignal): Promise<Ran[]> {
  const reads: Ran[] = [];
  while (!signal.aborted) {
    reads.push(await machine.caliban(['status', '--max_jobs', '0', '--json']));
    await sleep(200);
  }
  return reads;
}

// Counts may be two seconds old.
async function settledCounts(machine: Machine, group: string) {
  let found: z.infer<typeof counts> | undefined;
  await until(async () => {
    found = (await statusOf(machine, group))?.group.counts;
    return found !== undefined && found.SUBMITTED + found.RUNNING === 0;
  });
  return counts.parse(found);
}

async function ranOnceEach(
  { expect }: TestContext,
  machine: Machine,
  jobs: { readonly finished: number; readonly atMost: number },
): Promise<void> {
  const text = await readFile(join(machine.home, 'lines.txt'), 'utf8');
  const lines = text.trim().split('\n');
  expect(new Set(lines).size).toBe(lines.length);
  expect(lines.length).toBeGreaterThanOrEqual(jobs.finished);
  expect(lines.length).toBeLessThanOrEqual(jobs.atMost);
}

async function nothingFailedInside(
  { expect }: TestContext,
  machine: Machine,
  ran: readonly Ran[],
): Promise<void> {
  const log = await serviceLog(machine);
  const printed = await readFile(join(machine.home, 'data', 'serve.log'), 'utf8');
  const told = ran.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  expect(`${log}${printed}${told}`).not.toMatch(/database is locked|bug in caliban/);
  expect(log.match(/"status":5\d\d/g)).toBeNull();
  expect(log.match(/.*"level":(?:[56]0|"error"|"fatal").*/g)).toBeNull();
}

function serviceLog(machine: Machine): Promise<string> {
  return readFile(join(machine.home, 'data', 'logs', 'service.log'), 'utf8');
}

// The jobs are other processes: there is nothing to await but what the commands tell.
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds()) return;
    await sleep(200);
  }
  throw new Error('it did not come true in time');
}
