import { describe, test } from 'vitest';
import type {
  BuildProgress,
  DependencyRequest,
  ImageBuilder,
} from '../../functions/ports/image-builder.ts';

/** One opened builder, and dependencies that it can and cannot make. */
export interface ImageBuilderHarness {
  readonly builder: ImageBuilder;
  readonly good: DependencyRequest;
  readonly bad: DependencyRequest;
  /** What is said of the bad ones; may hold asymmetric matchers. */
  readonly failure: {
    readonly message: unknown;
    readonly hint: unknown;
    readonly retryable: boolean;
  };
  /** Lets a little time pass. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

/** Dependencies of nothing. */
export const NO_DEPENDENCIES: DependencyRequest = {
  mode: 'cpu',
  base: null,
  apt: [],
  python: null,
  extras: [],
  layer: null,
  requirements: null,
};

const TIMEOUT_MS = 120_000;

/** The behaviour that every ImageBuilder has. */
export function imageBuilderContract(name: string, open: () => Promise<ImageBuilderHarness>): void {
  describe(`ImageBuilder: ${name}`, { timeout: TIMEOUT_MS }, () => {
    test('the key follows from the dependencies alone', async ({ expect, onTestFinished }) => {
      const { builder, good, bad } = await opened(open, onTestFinished);
      const plan = await builder.plan(good);
      expect(plan).toMatchObject({ ready: false });
      expect(await builder.plan({ ...good })).toEqual(plan);
      expect((await builder.plan(bad))?.key).not.toBe(plan?.key);
    });

    test('what was built is ready, for every attempt and plan after', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const { builder, good } = harness;
      const key = await keyOf(builder, good);
      expect(await builder.poll(key, 1)).toEqual({ state: 'absent' });
      await builder.start({ key, attempt: 1, dependencies: good });
      await builder.start({ key, attempt: 1, dependencies: good });
      expect(await builder.poll(key, 1)).toEqual({ state: 'building' });
      expect(await builder.poll(key, 2)).toEqual({ state: 'absent' });
      expect(await settled(harness, key, 1)).toEqual({ state: 'ready' });
      expect(await builder.plan(good)).toMatchObject({ key, ready: true });
      await builder.start({ key, attempt: 2, dependencies: good });
      expect(await builder.poll(key, 2)).toEqual({ state: 'ready' });
      await builder.cancel(key, 1);
      expect(await builder.plan(good)).toMatchObject({ key, ready: true });
    });

    test('a failed build says why, keeps its log, and is tried again by the next attempt', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const { builder, bad } = harness;
      const key = await keyOf(builder, bad);
      expect(await builder.readLog(key, 0)).toEqual({ text: '', next: 0 });
      await builder.start({ key, attempt: 1, dependencies: bad });
      const failed = await settled(harness, key, 1);
      const failedAt = expect.any(Number);
      expect(failed).toEqual({ state: 'failed', failedAt, ...harness.failure });
      expect(await builder.poll(key, 1)).toEqual(failed);
      expect(await builder.plan(bad)).toMatchObject({ key, ready: false });
      const all = await builder.readLog(key, 0);
      expect(all.text).not.toBe('');
      expect(all.next).toBe(Buffer.byteLength(all.text));
      expect(all.text.slice(0, 5) + (await builder.readLog(key, 5)).text).toBe(all.text);
      expect(await builder.readLog(key, all.next)).toEqual({ text: '', next: all.next });
      await builder.start({ key, attempt: 2, dependencies: bad });
      expect(await builder.poll(key, 2)).toEqual({ state: 'building' });
      await builder.start({ key, attempt: 1, dependencies: bad });
      expect(await builder.poll(key, 2)).toEqual({ state: 'building' });
    });

    test('an attempt that is over begins anew when it is started again', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const { builder, bad } = harness;
      const key = await keyOf(builder, bad);
      await builder.start({ key, attempt: 1, dependencies: bad });
      expect(await settled(harness, key, 1)).toMatchObject({ state: 'failed' });
      await builder.start({ key, attempt: 1, dependencies: bad });
      expect(await builder.poll(key, 1)).toEqual({ state: 'building' });
    });

    test('a cancelled build ends and leaves nothing ready', async ({ expect, onTestFinished }) => {
      const harness = await opened(open, onTestFinished);
      const { builder, good } = harness;
      const key = await keyOf(builder, good);
      await builder.cancel(key, 1);
      await builder.start({ key, attempt: 1, dependencies: good });
      await builder.cancel(key, 2);
      expect(await builder.poll(key, 1)).toEqual({ state: 'building' });
      await builder.cancel(key, 1);
      expect(await settled(harness, key, 1)).toMatchObject({ state: 'failed', retryable: true });
      expect(await builder.plan(good)).toMatchObject({ key, ready: false });
    });
  });
}

async function opened(
  open: () => Promise<ImageBuilderHarness>,
  onTestFinished: (close: () => Promise<void>) => void,
): Promise<ImageBuilderHarness> {
  const harness = await open();
  onTestFinished(() => harness.close());
  return harness;
}

async function keyOf(builder: ImageBuilder, dependencies: DependencyRequest): Promise<string> {
  const plan = await builder.plan(dependencies);
  if (plan === null) throw new Error('There is nothing to build.');
  return plan.key;
}

/** How a build ended. */
export async function settled(
  harness: Pick<ImageBuilderHarness, 'builder' | 'pass'>,
  key: string,
  attempt: number,
): Promise<BuildProgress> {
  for (let turn = 0; turn < 5000; turn++) {
    const progress = await harness.builder.poll(key, attempt);
    if (progress.state !== 'building') return progress;
    await harness.pass();
  }
  throw new Error('The build did not end in 5000 turns.');
}
