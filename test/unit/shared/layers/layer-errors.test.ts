import { describe, test } from 'vitest';
import { layerInvalid, quoteEntry } from '../../../../shared/layers/layer-errors.ts';

describe('quoteEntry', () => {
  test('shows plain names, spaces and letters of any script as they are', ({ expect }) => {
    expect(quoteEntry('usr/app/my file ü 漢.py')).toBe('"usr/app/my file ü 漢.py"');
  });

  test('escapes what a terminal would act on or hide', ({ expect }) => {
    expect(quoteEntry('a"b\\c')).toBe('"a\\"b\\\\c"');
    expect(quoteEntry('\u001b[2J\n\u009b\u202e\u2028\0')).toBe(
      '"\\u{1b}[2J\\u{a}\\u{9b}\\u{202e}\\u{2028}\\u{0}"',
    );
  });

  test('cuts long names', ({ expect }) => {
    expect(quoteEntry('x'.repeat(5000))).toBe(`"${'x'.repeat(200)}…"`);
  });
});

describe('layerInvalid', () => {
  test('names the entry in message and context, and keeps the cause', ({ expect }) => {
    const cause = new Error('why');
    const error = layerInvalid('it is odd', 'a\nb', cause);
    expect(error).toMatchObject({
      code: 'LAYER_INVALID',
      message: 'Layer refused: entry "a\\u{a}b": it is odd.',
      context: { entry: '"a\\u{a}b"' },
      cause,
    });
    expect(error.hint).toContain('.dockerignore');
    expect(layerInvalid('it is odd')).toMatchObject({
      message: 'Layer refused: it is odd.',
      hint: expect.stringContaining('caliban cloud'),
    });
  });
});
