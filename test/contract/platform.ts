import { describe, test } from 'vitest';
import {
  type Observation,
  type Platform,
  type PlatformJob,
  PlatformRefusal,
} from '../../functions/ports/platform.ts';
import type { Clock } from '../../functions/ports/runtime.ts';

/** What a program of these tests does; a harness says how its platform is told to. */
export interface Program {
  readonly prints?: string;
  /** Prints every argument as `<argument>` and a newline. */
  readonly printsArguments?: readonly string[];
  readonly exitCode?: number;
  /** Runs until it is stopped; otherwise it ends shortly. */
  readonly endless?: boolean;
}

/** One opened platform and how to work it. */
export interface PlatformHarness {
  readonly platform: Platform;
  readonly clock: Clock;
  /** Two lanes, the first for all jobs but those that are elsewhere. Default: `lane-a` and `lane-b`. */
  readonly lanes?: readonly [here: string, elsewhere: string];
  /** What logs are made of: all bytes as they were printed, or lines, of which the last one ends too. Default: bytes. */
  readonly logs?: 'bytes' | 'lines';
  program(program: Program): Pick<PlatformJob, 'run' | 'command' | 'args'> & Partial<PlatformJob>;
  /** Lets a little time pass on the platform. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

const LANES = ['lane-a', 'lane-b'] as const;

/** The behaviour of every Platform with names of our choice: a name is taken once. */
export function platformContract(name: string, open: () => Promise<PlatformHarness>): void {
  describePlatform(name, open);
  describe(`Platform with names of our choice: ${name}`, () => {
    test('two submits of one attempt, also at once, are one job with one ref', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const job = aJob(harness, { jobId: 'twice', program: { prints: 'once\n' } });
      const [a, b] = await Promise.all([
        harness.platform.submit(job),
        harness.platform.submit(job),
      ]);
      await terminal(harness, 'twice');
      const late = await harness.platform.submit({ ...job, createBy: harness.clock.now() - 1 });
      expect(b).toEqual(a);
      expect(late).toEqual(a);
      expect(await wholeLog(harness, a.ref, 1000)).toBe('once\n');
      expect(await harness.platform.find('twice')).toHaveLength(1);
    });
  });
}

/** The behaviour of every Platform that names its jobs itself: who submits twice has two jobs, and is told of both. */
export function namingPlatformContract(name: string, open: () => Promise<PlatformHarness>): void {
  describePlatform(name, open);
  describe(`Platform with names of its own: ${name}`, () => {
    test('two submits of one attempt are two jobs, both found and listed until each is cancelled', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const job = aJob(harness, { jobId: 'twice', program: { endless: true } });
      const [a, b] = await Promise.all([
        harness.platform.submit(job),
        harness.platform.submit(job),
      ]);
      expect(b.ref).not.toBe(a.ref);
      const refs = new Set([a.ref, b.ref]);
      const found = await harness.platform.find('twice');
      expect(found.map(({ attempt }) => attempt)).toEqual([1, 1]);
      expect(new Set(found.map(({ ref }) => ref))).toEqual(refs);
      const shown = await listed(harness, harness.clock.now());
      expect(new Set(shown.map(({ ref }) => ref))).toEqual(refs);
      await harness.platform.cancel(b.ref);
      const states = await eventually(harness, async () => {
        const now = await harness.platform.find('twice');
        const other = now.find(({ ref }) => ref === b.ref);
        return other?.state === 'STOPPED' ? now : undefined;
      });
      expect(states.find(({ ref }) => ref === a.ref)?.finishedAt).toBeNull();
      await harness.platform.cancel(a.ref);
    });
  });
}

function describePlatform(name: string, open: () => Promise<PlatformHarness>): void {
  describe(`Platform: ${name}`, () => {
    test('a submitted job is found and listed until it has succeeded', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const before = harness.clock.now();
      const { ref } = await harness.platform.submit(aJob(harness, { jobId: 'job1' }));
      const end = await terminal(harness, 'job1');
      expect(end).toMatchObject({ ref, attempt: 1, state: 'SUCCEEDED', exitCode: 0 });
      expect(end.cause.code).toBe('succeeded');
      expect(end.createdAt).toBeGreaterThanOrEqual(before);
      expect(end.startedAt).toBeGreaterThanOrEqual(end.createdAt);
      expect(end.finishedAt).toBeGreaterThanOrEqual(end.startedAt ?? Number.NaN);
      expect(await listed(harness, before)).toEqual([end]);
    });

    test('attempts of one job are kept apart', async ({ expect, onTestFinished }) => {
      const harness = await opened(open, onTestFinished);
      const first = await harness.platform.submit(
        aJob(harness, { jobId: 'tried', program: { prints: 'one', exitCode: 1 } }),
      );
      const second = await harness.platform.submit(
        aJob(harness, { jobId: 'tried', attempt: 2, program: { prints: 'two' } }),
      );
      expect(second.ref).not.toBe(first.ref);
      await terminal(harness, 'tried', 1);
      await terminal(harness, 'tried', 2);
      const found = await harness.platform.find('tried');
      expect(found.map((o) => [o.ref, o.attempt, o.state])).toEqual(
        expect.arrayContaining([
          [first.ref, 1, 'FAILED'],
          [second.ref, 2, 'SUCCEEDED'],
        ]),
      );
      expect(await wholeLog(harness, first.ref, 1000)).toBe(printed(harness, 'one'));
      expect(await wholeLog(harness, second.ref, 1000)).toBe(printed(harness, 'two'));
      expect(await harness.platform.find('trie')).toEqual([]);
    });

    test('a create request that is too late does nothing', async ({ expect, onTestFinished }) => {
      const harness = await opened(open, onTestFinished);
      const job = { ...aJob(harness, { jobId: 'late' }), createBy: harness.clock.now() - 1 };
      const refusal = await refused(harness, job);
      expect(refusal).toMatchObject({ kind: 'quota', retryAfterMs: 0 });
      await harness.pass();
      expect(await harness.platform.find('late')).toEqual([]);
      expect(await listed(harness, 0)).toEqual([]);
    });

    test.for([1, 3, 127, 137, 255])(
      'exit status %d is reported exactly',
      async (exitCode, { expect, onTestFinished }) => {
        const harness = await opened(open, onTestFinished);
        await harness.platform.submit(aJob(harness, { jobId: 'fails', program: { exitCode } }));
        const end = await terminal(harness, 'fails');
        expect(end).toMatchObject({ state: 'FAILED', exitCode, cause: { code: 'exit-code' } });
      },
    );

    describeArguments(open);
    describeLogs(open);
    describeCancel(open);
    describeList(open);
  });
}

function describeArguments(open: () => Promise<PlatformHarness>): void {
  test('arguments arrive exactly', async ({ expect, onTestFinished }) => {
    const harness = await opened(open, onTestFinished);
    const words = [
      '',
      ' ',
      "it's",
      '"',
      '$HOME `id` $(id)',
      'a\nb\n',
      '\\n',
      '-n',
      '--',
      '*',
      'ü→😀',
    ];
    const { ref } = await harness.platform.submit(
      aJob(harness, { jobId: 'words', program: { printsArguments: words } }),
    );
    await terminal(harness, 'words');
    expect(await wholeLog(harness, ref, 1000)).toBe(words.map((word) => `<${word}>\n`).join(''));
  });

  test('a NUL in an argument is refused for good', async ({ expect, onTestFinished }) => {
    const harness = await opened(open, onTestFinished);
    const job = aJob(harness, { jobId: 'nul', program: { printsArguments: ['a\0b'] } });
    expect(await refused(harness, job)).toMatchObject({ kind: 'permanent' });
    expect(await harness.platform.find('nul')).toEqual([]);
  });
}

function describeLogs(open: () => Promise<PlatformHarness>): void {
  test('a log is read in pieces without cutting characters', async ({ expect, onTestFinished }) => {
    const harness = await opened(open, onTestFinished);
    const prints = 'aé→😀\n'.repeat(20);
    const { ref } = await harness.platform.submit(
      aJob(harness, { jobId: 'prints', program: { prints } }),
    );
    await terminal(harness, 'prints');
    for (const maxBytes of [1, 4, 5, 7, 64, 10_000]) {
      expect(await wholeLog(harness, ref, maxBytes)).toBe(prints);
    }
  });

  test('the log of a running job has not ended; after the end it has', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(open, onTestFinished);
    // Where logs are lines, one that has not ended is not there yet.
    const program = { prints: printed(harness, 'hello'), endless: true };
    const { ref } = await harness.platform.submit(aJob(harness, { jobId: 'talks', program }));
    const chunk = await eventually(harness, async () => {
      const read = await harness.platform.readLog(ref, '', 1000);
      return read.text === '' ? undefined : read;
    });
    expect(chunk).toMatchObject({ text: printed(harness, 'hello'), ended: false });
    await harness.platform.cancel(ref);
    await terminal(harness, 'talks');
    expect(await harness.platform.readLog(ref, chunk.next, 1000)).toEqual({
      text: '',
      next: chunk.next,
      ended: true,
    });
  });

  test('an unknown ref has an empty, ended log', async ({ expect, onTestFinished }) => {
    const harness = await opened(open, onTestFinished);
    const chunk = await harness.platform.readLog('nobody.1', '', 1000);
    expect(chunk).toMatchObject({ text: '', ended: true });
  });
}

function describeCancel(open: () => Promise<PlatformHarness>): void {
  test('a cancelled job is STOPPED, however often it is asked', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(open, onTestFinished);
    const { ref } = await harness.platform.submit(
      aJob(harness, { jobId: 'endless', program: { endless: true } }),
    );
    await eventually(harness, async () => {
      const [seen] = await harness.platform.find('endless');
      return seen?.state === 'RUNNING' ? seen : undefined;
    });
    await Promise.all([harness.platform.cancel(ref), harness.platform.cancel(ref)]);
    const end = await terminal(harness, 'endless');
    expect(end).toMatchObject({ state: 'STOPPED', cause: { code: 'stop-requested' } });
    await harness.platform.cancel(ref);
    expect(await harness.platform.find('endless')).toEqual([end]);
  });

  test('cancelling what is over, or unknown, changes nothing', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(open, onTestFinished);
    const { ref } = await harness.platform.submit(aJob(harness, { jobId: 'over' }));
    const end = await terminal(harness, 'over');
    await harness.platform.cancel(ref);
    await harness.platform.cancel('nobody.1');
    await harness.platform.cancel('../../etc.1');
    await harness.pass();
    expect(await harness.platform.find('over')).toEqual([end]);
    expect(await harness.platform.find('nobody')).toEqual([]);
  });
}

function describeList(open: () => Promise<PlatformHarness>): void {
  test('a list has the jobs of its lane, over all pages', async ({ expect, onTestFinished }) => {
    const harness = await opened(open, onTestFinished);
    const ids = Array.from({ length: 230 }, (_, i) => `many${i}`);
    for (const jobId of ids) {
      await harness.platform.submit(aJob(harness, { jobId, program: { endless: true } }));
    }
    const other = aJob(harness, { jobId: 'elsewhere' });
    await harness.platform.submit({ ...other, lane: lanesOf(harness)[1] });
    await harness.pass();
    const seen = await listed(harness, harness.clock.now());
    expect(new Set(seen.map((o) => o.jobId))).toEqual(new Set(ids));
    for (const { ref } of seen) await harness.platform.cancel(ref);
  });

  test('a job that ended before `since` is listed no more, and still found', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(open, onTestFinished);
    const { ref } = await harness.platform.submit(
      aJob(harness, { jobId: 'past', program: { prints: 'kept' } }),
    );
    const end = await terminal(harness, 'past');
    expect(await listed(harness, end.finishedAt ?? 0)).toEqual([end]);
    await harness.pass();
    expect(await listed(harness, harness.clock.now())).toEqual([]);
    expect(await harness.platform.find('past')).toEqual([end]);
    expect(await wholeLog(harness, ref, 100)).toBe(printed(harness, 'kept'));
  });
}

async function opened(
  open: () => Promise<PlatformHarness>,
  onTestFinished: (close: () => Promise<void>) => void,
): Promise<PlatformHarness> {
  const harness = await open();
  onTestFinished(() => harness.close());
  return harness;
}

function lanesOf({ lanes }: Pick<PlatformHarness, 'lanes'>): readonly [string, string] {
  return lanes ?? LANES;
}

/** What the log of a program says that printed this. */
function printed({ logs }: PlatformHarness, text: string): string {
  return logs === 'lines' && !text.endsWith('\n') ? `${text}\n` : text;
}

/** A job of the contract's lane, as the core would submit it. */
export function aJob(
  harness: Pick<PlatformHarness, 'clock' | 'program' | 'lanes'>,
  wanted: { readonly jobId: string; readonly attempt?: number; readonly program?: Program },
): PlatformJob {
  return {
    jobId: wanted.jobId,
    attempt: wanted.attempt ?? 1,
    lane: lanesOf(harness)[0],
    name: `name-${wanted.jobId}`,
    labels: {},
    hardware: { gpu: null, tpu: null, machineType: null, region: null },
    createBy: harness.clock.now() + 60_000,
    ...harness.program(wanted.program ?? {}),
  };
}

/** The observation of an attempt once it is over. */
export function terminal(
  harness: Pick<PlatformHarness, 'platform' | 'pass'>,
  jobId: string,
  attempt = 1,
): Promise<Observation> {
  return eventually(harness, async () => {
    const found = await harness.platform.find(jobId);
    return found.find((o) => o.attempt === attempt && o.finishedAt !== null);
  });
}

/** Asks until there is an answer, letting time pass in between. */
export async function eventually<T>(
  harness: Pick<PlatformHarness, 'pass'>,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  for (let turn = 0; turn < 2000; turn++) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await harness.pass();
  }
  throw new Error('It did not happen in 2000 turns.');
}

async function listed(harness: PlatformHarness, since: number): Promise<Observation[]> {
  const all: Observation[] = [];
  let cursor: string | null = null;
  do {
    const page = await harness.platform.list(lanesOf(harness)[0], since, cursor);
    all.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return all;
}

/** The log in pieces of at most `maxBytes`, put together; no piece may hold a cut character. */
export async function wholeLog(
  harness: Pick<PlatformHarness, 'platform'>,
  ref: string,
  maxBytes: number,
): Promise<string> {
  let text = '';
  let cursor = '';
  for (;;) {
    const chunk = await harness.platform.readLog(ref, cursor, maxBytes);
    if (chunk.text.includes('\uFFFD')) throw new Error(`A character was cut: ${chunk.text}`);
    const bytes = Buffer.byteLength(chunk.text);
    if (bytes > Math.max(4, maxBytes)) throw new Error(`${bytes} bytes, asked for ${maxBytes}.`);
    text += chunk.text;
    if (chunk.ended) return text;
    cursor = chunk.next;
  }
}

async function refused(harness: PlatformHarness, job: PlatformJob): Promise<PlatformRefusal> {
  try {
    await harness.platform.submit(job);
  } catch (error) {
    if (error instanceof PlatformRefusal) return error;
    throw error;
  }
  throw new Error('submit was not refused.');
}
