import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  captureAttached,
  captureKept,
} from '../../../../../../../functions/adapters/local/docker/containers/log-capture.ts';
import { frame, keptOf } from '../../../../../../doubles/engine-output.ts';

/** Pieces as a program prints them. */
const output = fc.array(
  fc.record({
    stream: fc.constantFrom(1 as const, 2 as const),
    bytes: fc
      .string({ unit: fc.constantFrom('a', '\n', 'é', '\0') })
      .map((text) => Buffer.from(text)),
  }),
);
type Output = readonly { readonly stream: 1 | 2; readonly bytes: Buffer }[];

describe('a log that one service began and another completes', () => {
  test('has every byte of each stream once, wherever the crash came', { timeout: 30_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const root = await mkdtemp(join(tmpdir(), 'caliban-test-'));
    onTestFinished(() => rm(root, { recursive: true, force: true }));
    const cuts = { seen: fc.nat(30), log: fc.nat(200), parts: fc.nat(200) };
    await fc.assert(
      fc.asyncProperty(output, fc.record(cuts), fc.boolean(), async (printed, cut, isOlder) => {
        const dir = await mkdtemp(join(root, 'attempt-'));
        await captureAttached(logIn(dir), attached(printed.slice(0, cut.seen))).done;
        // Bytes that were announced and did not follow, and words that a power cut took back.
        await shorten(join(dir, 'log'), cut.log);
        const before = await readFile(join(dir, 'log'));
        if (cut.parts % 3 === 0) await shorten(join(dir, 'log.parts'), cut.parts);
        await captureKept(keptLogIn(dir), kept(printed, isOlder)).done;
        const log = await readFile(join(dir, 'log'));
        expect(sorted(log)).toEqual(sorted(Buffer.concat(printed.map(({ bytes }) => bytes))));
        if (cut.parts % 3 !== 0) expect(log.subarray(0, before.length)).toEqual(before);
        await captureKept(keptLogIn(dir), kept(printed, isOlder)).done;
        expect(await readFile(join(dir, 'log'))).toEqual(log);
      }),
      { numRuns: 40 },
    );
  });

  test('stays short in what it knows of its parts', { timeout: 30_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const lines = Array.from({ length: 12_000 }, (_, i) => ({
      stream: i % 2 === 0 ? (1 as const) : (2 as const),
      bytes: Buffer.from('x\n'),
    }));
    await captureAttached(logIn(dir), attached(lines)).done;
    expect((await readFile(join(dir, 'log'))).length).toBe(24_000);
    expect((await readFile(join(dir, 'log.parts'))).length).toBeLessThan(30_000);
    await captureKept(keptLogIn(dir), kept(lines, true)).done;
    expect((await readFile(join(dir, 'log'))).length).toBe(24_000);
  });

  test('a broken stream is an error, unless it was ended by hand', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const broken = captureAttached(logIn(dir), Readable.from(breaking()));
    await expect(broken.done).rejects.toThrow('broken');
    const ended = captureAttached(logIn(dir), new Readable({ read: () => undefined }));
    ended.stop();
    await ended.done;
    expect((await readFile(join(dir, 'log'))).toString()).toBe('some');
  });
});

/** A log of any length. */
function logIn(directory: string, maxBytes = 1_000_000) {
  return { directory, maxBytes };
}

function keptLogIn(directory: string, maxBytes = 1_000_000) {
  return { directory, maxBytes, hasExited: true };
}

async function* breaking(): AsyncGenerator<Buffer, void> {
  yield frame(1, Buffer.from('some'));
  throw new Error('broken');
}

function attached(printed: Output): Readable {
  return Readable.from(printed.map(({ stream, bytes }) => frame(stream, bytes)));
}

function kept(printed: Output, isOlder: boolean): Readable {
  const frames = ([1, 2] as const).flatMap((stream) => {
    const own = printed.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes);
    return keptOf(Buffer.concat(own), isOlder).map((bytes) => frame(stream, bytes));
  });
  return Readable.from(frames);
}

async function shorten(path: string, length: number): Promise<void> {
  const { length: size } = await readFile(path);
  if (length < size) await truncate(path, length);
}

// How the streams are put together is free; what each byte value comes to is not.
function sorted(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toSorted());
}
