import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import { parseExperimentConfig } from '../../../../shared/experiments/config-model.ts';
import { experiments } from '../../../../shared/experiments/expand.ts';
import { flagsOf } from '../../../../shared/experiments/flags.ts';
import { thrownBy } from './thrown-by.ts';

const flagLines = (text: string) =>
  Array.from(experiments(parseExperimentConfig(text)), (experiment) =>
    flagsOf(experiment, 'file').join(' '),
  );

describe('each refusal has a class, a place, the key, the value and a fix', () => {
  test.for([
    ['top-level', ' 5', 1, 2, undefined, ['document is 5'], '{"learning_rate"'],
    ['top-level', '"x"', 1, 1, undefined, ['document is "x"'], '{"learning_rate"'],
    ['list-item', '[{"a": 1},\n [2]]', 2, 3, undefined, ['item 1 of the list is 2'], 'flag name'],
    ['list-item', '[{}, null]', 1, 6, undefined, ['item 2 of the list is null'], 'flag name'],
    ['bad-key', '{"": 1}', 1, 2, '', ['key ""', 'is empty'], '"batch_size"'],
    ['bad-key', '{"a b": 1}', 1, 2, 'a b', ['key "a b"', 'white space'], '"batch_size"'],
    ['bad-key', '{"a\\u0085": 1}', 1, 2, 'a\u0085', ['white space'], '"batch_size"'],
    ['bad-key', '{"a\\u3000b": 1}', 1, 2, 'a\u3000b', ['white space'], '"batch_size"'],
    ['bad-key', '{"x": 1, "a,b": 1}', 1, 10, 'a,b', ['key "a,b"', 'comma'], '"[width,depth]"'],
    ['bad-key', '{"a]": 1}', 1, 2, 'a]', ['key "a]"', 'bracket'], '"[width,depth]"'],
    ['bad-key', '{"[": 1}', 1, 2, '[', ['bracket'], '"[width,depth]"'],
    ['bad-key', '{"[a,]": [1, 2]}', 1, 2, '[a,]', ['empty name between'], '"[width,depth]"'],
    ['bad-key', '{"[a,b c]": [1, 2]}', 1, 2, '[a,b c]', ['white space'], '"[width,depth]"'],
    ['bad-value', '{"a": null}', 1, 7, 'a', ['key "a"', 'value null'], 'Leave the key out'],
    ['bad-value', '{\n"a": {"b": 1}}', 2, 6, 'a', ['key "a"', '{"b": 1}'], '"optimizer.name"'],
    ['bad-value', '{"a": [1, null]}', 1, 11, 'a', ['key "a"', 'value null'], 'Leave the key out'],
    [
      'bad-value',
      '{"[a,b]": [[1, {}], [2, 3]]}',
      1,
      16,
      'b',
      ['key "b"', 'value {}'],
      '"optimizer.name"',
    ],
    [
      'bad-value',
      '{"[a,b]": null}',
      1,
      11,
      '[a,b]',
      ['key "[a,b]"', 'value null'],
      'Leave the key out',
    ],
    [
      'compound-scalar',
      '{"[a,b]": 5}',
      1,
      11,
      '[a,b]',
      ['names 2 flags', 'value 5 is not a list'],
      '[[1, 2], [3, 4]]',
    ],
    [
      'compound-empty',
      '{"[a,b]": []}',
      1,
      11,
      '[a,b]',
      ['names 2 flags', 'no row'],
      '[[1, 2], [3, 4]]',
    ],
    [
      'arity',
      '{"[a]": [1, 2]}',
      1,
      9,
      '[a]',
      ['names 1 flag,', '[1, 2] has 2 values'],
      '[[1], [2]]',
    ],
    [
      'arity',
      '{"[a,b]": [[1, 2], [3]]}',
      1,
      20,
      '[a,b]',
      ['the row [3] has 1 value'],
      '[[1, 2], [3, 4]]',
    ],
    [
      'arity',
      '{"[a,b]": [[1, 2], "abc"]}',
      1,
      20,
      '[a,b]',
      ['the row "abc" is not a list'],
      '[[1, 2], [3, 4]]',
    ],
    [
      'row-type',
      '{"[a,b]": [[1, 2], "😀b"]}',
      1,
      20,
      '[a,b]',
      ['the row "😀b" is not a list'],
      '[[1, 2], [3, 4]]',
    ],
    [
      'row-type',
      '{"[a,b]": [[1, 2],\n3]}',
      2,
      1,
      '[a,b]',
      ['the row 3 is not a list'],
      '[[1, 2], [3, 4]]',
    ],
    [
      'row-type',
      '{"[a]": [[1], {"x": 1}]}',
      1,
      15,
      '[a]',
      ['the row {"x": 1} is not a list'],
      '[[1], [2]]',
    ],
  ] as const)('%s: %s', ([reason, text, line, column, key, words, fix], { expect }) => {
    const error = thrownBy(() => parseExperimentConfig(text));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exit: 2 });
    expect(error.message).toContain(`experiment config, line ${line}, column ${column}: `);
    for (const word of words) expect(error.message).toContain(word);
    expect(error.hint).toContain(fix);
    expect(error.context).toMatchObject({ line, column, key, reason });
  });

  test('a syntax error names the config', ({ expect }) => {
    const error = thrownBy(() => parseExperimentConfig('{"a": 01}'));
    expect(error.code).toBe('CONFIG_SYNTAX');
    expect(error.message).toMatch(/^experiment config, line 1, column 7: 01 /);
  });
});

describe('several mistakes', () => {
  test('are all listed, the first one in the context', ({ expect }) => {
    const error = thrownBy(() => parseExperimentConfig('[{"a b": 1,\n"c": null}, 7]'));
    expect(error.message.split('\n')).toHaveLength(4);
    expect(error.message).toMatch(
      /3 problems:\n {2}line 1, column 3: .*\n {2}line 2, column 6: .*\n {2}line 2, column 13: /,
    );
    expect(error.context).toMatchObject({
      reason: 'bad-key',
      issues: [
        { reason: 'bad-key' },
        { reason: 'bad-value' },
        { reason: 'list-item', line: 2, column: 13 },
      ],
    });
  });
  test('are counted beyond twenty', ({ expect }) => {
    const error = thrownBy(() => parseExperimentConfig(`{"a": [${'null, '.repeat(999)}null]}`));
    expect(error.message).toContain('1000 problems');
    expect(error.message.split('\n')).toHaveLength(22);
    expect(error.message).toMatch(/\n {2}and 980 more$/);
  });
  test('long values and keys are cut in the message', ({ expect }) => {
    const text = `{"[${'k'.repeat(1000)},b]": ["${'v'.repeat(1000)}", [${'1,'.repeat(1000)}1], 3]}`;
    const error = thrownBy(() => parseExperimentConfig(text));
    expect(error.message.length).toBeLessThan(400);
    expect(JSON.stringify(error.context).length).toBeLessThan(2000);
  });
});

describe('what is allowed', () => {
  test('white space of JavaScript that Python takes for a character is part of a name', ({
    expect,
  }) => {
    expect(flagLines('{"a\\ufeffb": 1, "c\\u200bd": 2}')).toEqual(['--a\ufeffb 1 --c\u200bd 2']);
  });
  test('names of a compound key may have Unicode blanks around them', ({ expect }) => {
    expect(flagLines('{"[\\u3000a\\u0085,\\tb ]": [1, 2]}')).toEqual(['--a 1 --b 2']);
  });
  test('anything inside of a list value, as Python prints it', ({ expect }) => {
    expect(flagLines('{"a": [[null, {"b": [1.0, "c"]}]]}')).toEqual([
      `--a [None, {'b': [1.0, 'c']}]`,
    ]);
  });
  test('a first element that is no list makes one row, whatever follows', ({ expect }) => {
    expect(flagLines('{"[a,b]": ["x", [1, 2]]}')).toEqual(['--a x --b [1, 2]']);
  });
  test('a value that no experiment has is not looked at', ({ expect }) => {
    expect(flagLines('{"a": [null, 1], "b": []}')).toEqual([]);
    expect(flagLines('{"a": [null, 1], "[a,b]": [2, 3]}')).toEqual(['--a 2 --b 3', '--a 2 --b 3']);
  });
  test('of repeated keys only the last value counts', ({ expect }) => {
    expect(flagLines('{"a": null, "b": 2, "a": 3}')).toEqual(['--a 3 --b 2']);
  });
});

test('any JSON document is a config or refused with CONFIG_INVALID', ({ expect }) => {
  const keys = fc.oneof(
    fc.constantFrom('a', 'b', '[a,b]', '[a]', '[ b , c ]', '[]', 'a b'),
    fc.string(),
  );
  const { document } = fc.letrec((tie) => ({
    document: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 1, 0.5, 'x', 'xy'),
      tie('list'),
      tie('object'),
    ),
    list: fc.array(tie('document'), { maxLength: 3 }),
    object: fc.dictionary(keys, tie('document'), { maxKeys: 3 }),
  }));
  fc.assert(
    fc.property(document, (value) => {
      try {
        const config = parseExperimentConfig(JSON.stringify(value));
        expect(Array.from(experiments(config)).length).toBe(Number(config.count));
      } catch (error) {
        expect(isAppError(error, 'CONFIG_INVALID')).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});
