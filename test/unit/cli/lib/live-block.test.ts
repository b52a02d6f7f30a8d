import { describe, test } from 'vitest';
import {
  createLiveBlock,
  formatBytes,
  formatDuration,
  progressBar,
} from '../../../../cli/lib/live-block.ts';
import { alignColumns } from '../../../../cli/lib/table.ts';
import { shellLine } from '../../../../shared/text/shell-quote.ts';
import { CapturedStream } from '../../../doubles/cli.ts';

describe('a live block', () => {
  test('goes back over as many rows as it drew', ({ expect }) => {
    const stream = new CapturedStream(true);
    const block = createLiveBlock(stream);
    block.draw(['a', 'b']);
    block.draw(['c']);
    block.clear();
    block.clear();
    expect(stream.text).toBe('a\nb\n\u001B[2A\u001B[0Jc\n\u001B[1A\u001B[0J');
  });

  test('never wraps a line nor outgrows the screen', ({ expect }) => {
    const stream = new CapturedStream(true);
    createLiveBlock(stream).draw(Array.from({ length: 50 }, () => 'x'.repeat(300)));
    const lines = stream.text.trimEnd().split('\n');
    expect(lines).toHaveLength(29);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(100);
  });

  test('takes a terminal that does not know its size for a usual one', ({ expect }) => {
    class Unsized extends CapturedStream {
      override readonly columns = 0;
      override readonly rows = 0;
    }
    const stream = new Unsized(true);
    createLiveBlock(stream).draw(['a', 'b', 'x'.repeat(300)]);
    expect(stream.text).toBe(`a\nb\n${'x'.repeat(79)}\n`);
  });

  test('does not count colours as width', ({ expect }) => {
    const stream = new CapturedStream(true);
    const line = `\u001B[31m${'x'.repeat(95)}\u001B[39m`;
    createLiveBlock(stream).draw([line]);
    expect(stream.text).toBe(`${line}\n`);
  });
});

test('a bar is as full as its fraction, within its width', ({ expect }) => {
  expect([0, 0.5, 1, 7].map((fraction) => progressBar(fraction, 4))).toEqual([
    '░░░░',
    '██░░',
    '████',
    '████',
  ]);
});

test('bytes and durations are readable', ({ expect }) => {
  expect([0, 1_023, 1_536, 5 * 1024 ** 3].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.5 KiB',
    '5.0 GiB',
  ]);
  expect([400, 61_000, 150_000, 2 * 3_600_000].map(formatDuration)).toEqual([
    '0 s',
    '61 s',
    '3 min',
    '2 h 0 min',
  ]);
});

test('columns are aligned and the last cell is left alone', ({ expect }) => {
  expect(
    alignColumns(
      [
        ['a', 'x'],
        ['bbb', 'y'],
      ],
      { indent: 1 },
    ),
  ).toEqual([' a    x', ' bbb  y']);
});

test('words are quoted for a shell only where needed', ({ expect }) => {
  expect(shellLine(['a/b.py', '--x=1', '', 'two words', "it's", '$HOME', '~'])).toBe(
    `a/b.py --x=1 '' 'two words' 'it'\\''s' '$HOME' '~'`,
  );
});
