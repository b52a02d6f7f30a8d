import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  captureAttached,
  captureKept,
  OutputDropped,
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

  test('has its first bytes up to its limit, and says so, whoever goes on with it', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await aDirectory(onTestFinished);
    const lines = linesOf(1000, 'line');
    const full = `${text(lines).slice(0, 2000)}\n${limitLine(2000)}`;
    await captureAttached(logIn(dir, 2000), attached(lines.slice(0, 100))).done;
    for (const upTo of [150, 500, 1000]) {
      await captureKept(keptLogIn(dir, 2000), kept(lines.slice(0, upTo), true)).done;
      const log = String(await readFile(join(dir, 'log')));
      expect(log).toBe(upTo < 300 ? text(lines.slice(0, upTo)) : full);
    }
    await captureAttached(logIn(dir, 2000), attached(lines)).done;
    expect(String(await readFile(join(dir, 'log')))).toBe(full);
    // A power cut took its parts; and the service was killed before it cut the log.
    await rm(join(dir, 'log.parts'));
    await captureKept(keptLogIn(dir, 2000), kept(lines.slice(0, 10), true)).done;
    expect(String(await readFile(join(dir, 'log')))).toBe(full);
    await writeFile(join(dir, 'log'), text(lines).slice(0, 2500));
    await captureKept(keptLogIn(dir, 2000), kept(lines.slice(0, 10), true)).done;
    expect(String(await readFile(join(dir, 'log')))).toBe(full);
  });

  test('says where output is missing when the engine has dropped the beginning of its copy', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await aDirectory(onTestFinished);
    const lines = linesOf(300, 'line');
    await captureAttached(logIn(dir), attached(lines.slice(0, 100))).done;
    const later = () => kept(lines.slice(200), false);
    await expect(captureKept(keptLogIn(dir), later()).done).rejects.toThrow(OutputDropped);
    const had = `${text(lines.slice(0, 100))}${DROPPED}`;
    expect(String(await readFile(join(dir, 'log')))).toBe(had);
    for (let again = 0; again < 2; again++) {
      await captureKept(keptLogIn(dir), later()).done;
      const log = String(await readFile(join(dir, 'log')));
      expect(log).toBe(`${had}${text(lines.slice(200))}`);
    }
    // And once more, behind that.
    const last = () => kept(lines.slice(290), false);
    await expect(captureKept(keptLogIn(dir), last()).done).rejects.toThrow(OutputDropped);
    await captureKept(keptLogIn(dir), last()).done;
    const log = String(await readFile(join(dir, 'log')));
    expect(log.split(DROPPED)).toEqual([
      text(lines.slice(0, 100)),
      text(lines.slice(200)),
      text(lines.slice(290)),
    ]);
  });

  test('is told from one that lacks much of what was printed, when every line is the same', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await aDirectory(onTestFinished);
    const lines = Array(1000).fill({ stream: 1, bytes: Buffer.from('yes\n') });
    const few = () => kept(lines.slice(0, 900), false);
    await captureAttached(logIn(dir, 6400), attached(lines)).done;
    // An engine that was killed may have kept a little less than what was caught.
    await captureKept(keptLogIn(dir, 6400), kept(lines.slice(0, 980), false)).done;
    await captureKept({ ...keptLogIn(dir, 6400), hasExited: false }, few()).done;
    expect(String(await readFile(join(dir, 'log')))).toBe(text(lines));
    await expect(captureKept(keptLogIn(dir, 6400), few()).done).rejects.toThrow(OutputDropped);
    expect(String(await readFile(join(dir, 'log')))).toBe(`${text(lines)}${DROPPED}`);
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

const DROPPED =
  '[caliban: output is missing here, or comes twice: the engine dropped the beginning of its copy]\n';

function limitLine(bytes: number): string {
  return `[caliban: the log has reached its limit of ${bytes} bytes; what follows is not kept]\n`;
}

function linesOf(count: number, word: string): Output {
  return Array.from({ length: count }, (_, i) => ({
    stream: 1 as const,
    bytes: Buffer.from(`${word} ${i}\n`),
  }));
}

function text(printed: Output): string {
  return String(Buffer.concat(printed.map(({ bytes }) => bytes)));
}

async function aDirectory(onTestFinished: (work: () => Promise<void>) => void): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

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
