import { appendFile, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { readPiece } from '../../../../../../functions/adapters/local/attempts/attempt-log.ts';
import { cutLog } from '../../../../../../functions/adapters/local/attempts/log-limit.ts';

const LIMIT = 10;
const LINE = '[caliban: the log has reached its limit of 10 bytes; what follows is not kept]\n';

describe('a log with a limit', () => {
  test.for([
    ['up to it, it stays as it is', 'abcdefghi\n', 'abcdefghi\n'],
    ['over it, a line says so', 'abcdefghijk', `abcdefghij\n${LINE}`],
    ['the line is a line of its own', 'abcdefghi\njk', `abcdefghi\n${LINE}`],
    ['no character is cut', 'abcdefgh→\n', `abcdefgh\n${LINE}`],
    ['of four bytes either', 'abcdef\n😀', `abcdef\n${LINE}`],
  ] as const)('%s', async ([, printed, kept], { expect, onTestFinished }) => {
    const path = await aLog(onTestFinished, printed);
    expect(await cutLog(path, LIMIT)).toBe(kept !== printed);
    expect(await readFile(path, 'utf8')).toBe(kept);
  });

  test('is the same however often it is cut, and whatever is printed in between', async ({
    expect,
    onTestFinished,
  }) => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', 'é', '→', '😀') });
    const root = await aDirectory(onTestFinished);
    const path = join(root, 'log');
    const property = fc.asyncProperty(text, fc.array(text), async (first, later) => {
      const printed = `${first}${'x'.repeat(LIMIT + 1)}`;
      await writeFile(path, printed);
      const before = await wholeLog(path, 4);
      for (const more of later) {
        await cutLog(path, LIMIT);
        await appendFile(path, more);
        expect(await wholeLog(path, 7)).toBe(before);
      }
      await cutLog(path, LIMIT);
      const log = await readFile(path, 'utf8');
      expect(log).toBe(before);
      const kept = log.slice(0, log.indexOf('[caliban')).replace(/\n$/, '');
      expect(log.endsWith(`\n${LINE}`) || log === LINE).toBe(true);
      expect(printed.startsWith(kept)).toBe(true);
      expect(Buffer.byteLength(kept)).toBeGreaterThan(LIMIT - 5);
    });
    await fc.assert(property, { numRuns: 100 });
  });

  test('is completed by the next one when whoever cut it was killed in between', async ({
    expect,
    onTestFinished,
  }) => {
    const path = await aLog(onTestFinished, `abcdefghij\n${LINE}`);
    // Shortened, before the line was written; and with the line, before it was shortened.
    for (const halfway of ['abcdefghijk', `abcdefghij${'\0'.repeat(80)}`, `abcdefghij\n${LINE}x`]) {
      await writeFile(path, halfway);
      expect(await cutLog(path, LIMIT)).toBe(true);
      expect(await readFile(path, 'utf8')).toBe(`abcdefghij\n${LINE}`);
    }
  });

  test('what is behind its end is empty, and ended when it grows no more', async ({
    expect,
    onTestFinished,
  }) => {
    const path = await aLog(onTestFinished, 'x'.repeat(5000));
    const options = { maxBytes: 100, limit: LIMIT };
    for (const from of [LIMIT + 1 + LINE.length, 3000, 5000, 999_999_999_999_999]) {
      const nothing = { text: '', next: from, atEnd: true };
      expect(await readPiece(path, from, { ...options, complete: true })).toEqual(nothing);
      await cutLog(path, LIMIT);
      expect(await readPiece(path, from, { ...options, complete: false })).toEqual(nothing);
      await truncate(path, 5000);
    }
  });

  test('what a program put in its place is left alone', async ({ expect, onTestFinished }) => {
    const target = await aLog(onTestFinished, 'x'.repeat(50));
    await symlink(target, `${target}.link`);
    expect(await cutLog(`${target}.link`, LIMIT)).toBe(false);
    expect(await readFile(target, 'utf8')).toBe('x'.repeat(50));
    expect(await cutLog(`${target}.absent`, LIMIT)).toBe(false);
  });

  test('names its limit in the largest unit', async ({ expect, onTestFinished }) => {
    const path = await aLog(onTestFinished, 'x'.repeat(3000));
    await cutLog(path, 2048);
    expect(await readFile(path, 'utf8')).toContain('its limit of 2 KiB;');
  });
});

/** As a follower reads it, piece by piece. */
async function wholeLog(path: string, maxBytes: number): Promise<string> {
  let text = '';
  for (let from = 0; ; ) {
    const piece = await readPiece(path, from, { maxBytes, complete: false, limit: LIMIT });
    text += piece.text;
    if (piece.next === from) return text;
    from = piece.next;
  }
}

type Cleanup = (work: () => Promise<void>) => void;

async function aDirectory(onTestFinished: Cleanup): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return root;
}

async function aLog(onTestFinished: Cleanup, text: string): Promise<string> {
  const path = join(await aDirectory(onTestFinished), 'log');
  await writeFile(path, text);
  return path;
}
