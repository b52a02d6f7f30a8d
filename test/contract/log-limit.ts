import { describe, test } from 'vitest';
import type { Platform, PlatformJob } from '../../functions/ports/platform.ts';
import { eventually, terminal } from './platform.ts';

/** A platform whose logs have at most {@link LOG_LIMIT} bytes, and whose service comes and goes. */
export interface LimitedLogs {
  readonly waiter: Parameters<typeof eventually>[0];
  /** Opens it, or opens it again; in the end it is closed. */
  open(): Promise<Platform & { close(): Promise<void> }>;
  scriptJob(jobId: string, script: string): Promise<PlatformJob>;
  /** A line of a script that waits until `go` is called. */
  readonly pause: string;
  go(): Promise<void>;
  /** The log of an attempt as it is on disk. */
  logOf(ref: string): Promise<string>;
}

type Cleanup = (work: () => Promise<void>) => void;

/** The limit that the platforms of this contract are opened with. */
export const LOG_LIMIT = 4096;
const LINE = '[caliban: the log has reached its limit of 4 KiB; what follows is not kept]\n';

/** What every platform with logs of its own does with a program that prints more than its log may have. */
export function logLimitContract(
  name: string,
  begin: (onTestFinished: Cleanup) => Promise<LimitedLogs>,
): void {
  describe(`Logs with a limit: ${name}`, () => {
    test('bursts over it: the first bytes and a line are kept, and followed to the end', async ({
      expect,
      onTestFinished,
    }) => {
      const logs = await begin(onTestFinished);
      const platform = await logs.open();
      const { ref } = await platform.submit(await logs.scriptJob('bursts', BURSTS));
      const followed = await follow(logs, platform, ref);
      await terminal({ ...logs.waiter, platform }, 'bursts');
      expect(await logs.logOf(ref)).toBe(EXPECTED);
      expect(followed).toBe(EXPECTED);
    });

    test('the same by services that come and go in the middle of it', async ({
      expect,
      onTestFinished,
    }) => {
      const logs = await begin(onTestFinished);
      let platform = await logs.open();
      const steps = [0, 1, 2, 3, 4].map((step) => `${burst(step)}\n${logs.pause}`);
      const script = [...steps, burst(5), burst(6)].join('\n');
      const { ref } = await platform.submit(await logs.scriptJob('bursts', script));
      for (let step = 0; step < steps.length; step++) {
        const current = platform;
        const size = Math.min((step + 1) * BURST_BYTES, EXPECTED.length);
        await eventually(logs.waiter, async () => {
          const { next } = await current.readLog(ref, '', 2 * LOG_LIMIT);
          return Number(next) >= size ? true : undefined;
        });
        await platform.close();
        await logs.go();
        platform = await logs.open();
      }
      await terminal({ ...logs.waiter, platform }, 'bursts');
      expect(await logs.logOf(ref)).toBe(EXPECTED);
      expect(await follow(logs, platform, ref)).toBe(EXPECTED);
    });

    test('one that is stopped while it prints without end', async ({ expect, onTestFinished }) => {
      const logs = await begin(onTestFinished);
      const platform = await logs.open();
      const script = 'while :; do seq -f %0100.0f 0 99; sleep 0.01; done';
      const { ref } = await platform.submit(await logs.scriptJob('endless', script));
      await eventually(logs.waiter, async () =>
        (await logs.logOf(ref)).includes(LINE) ? true : undefined,
      );
      await platform.cancel(ref);
      await terminal({ ...logs.waiter, platform }, 'endless');
      expect(await logs.logOf(ref)).toBe(EXPECTED);
    });

    test('one within it is kept as it is', async ({ expect, onTestFinished }) => {
      const logs = await begin(onTestFinished);
      const platform = await logs.open();
      const script = `printf %${LOG_LIMIT}s`;
      const { ref } = await platform.submit(await logs.scriptJob('within', script));
      await terminal({ ...logs.waiter, platform }, 'within');
      expect(await logs.logOf(ref)).toBe(' '.repeat(LOG_LIMIT));
    });
  });
}

// So long that the engine's copy does not lose any of them while the log is not full.
const aLine = (number: number) => `${String(number).padStart(100, '0')}\n`;
const BURST = 10;
const BURST_BYTES = BURST * aLine(0).length;
const burst = (step: number) => `seq -f %0100.0f ${step * BURST} ${step * BURST + BURST - 1}`;
const BURSTS = Array.from({ length: 10 }, (_, step) => `${burst(step)}; sleep 0.1`).join('\n');
const PRINTED = Array.from({ length: 100 }, (_, number) => aLine(number)).join('');
const EXPECTED = `${PRINTED.slice(0, LOG_LIMIT)}\n${LINE}`;

/** Reads a log in small pieces until it has ended. */
async function follow(logs: LimitedLogs, platform: Platform, ref: string): Promise<string> {
  let text = '';
  let cursor = '';
  return eventually(logs.waiter, async () => {
    const piece = await platform.readLog(ref, cursor, 700);
    text += piece.text;
    cursor = piece.next;
    return piece.ended ? text : undefined;
  });
}
