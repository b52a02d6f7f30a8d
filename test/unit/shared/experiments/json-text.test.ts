import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import { parseExperimentConfig } from '../../../../shared/experiments/config-model.ts';
import {
  itemOffsets,
  MAX_JSON_DEPTH,
  parseCommentedJson,
} from '../../../../shared/experiments/json-text.ts';
import { isJsonList, isJsonObject } from '../../../../shared/experiments/json-value.ts';
import { pythonJson } from '../../../../shared/experiments/python-json.ts';
import { thrownBy } from './thrown-by.ts';
import { jsonCommentsCases } from './vector-cases.ts';

const printed = (text: string) => pythonJson(parseCommentedJson(text).root);

describe('the original accepts and refuses the same texts', () => {
  test.for(jsonCommentsCases)('$name', ({ input, expected, error }, { expect }) => {
    if (expected) expect(printed(input.text)).toBe(expected.json);
    else
      expect(thrownBy(() => parseCommentedJson(input.text))).toMatchObject({
        code: 'CONFIG_SYNTAX',
        exit: error?.exit_code,
      });
  });
});

describe('numbers', () => {
  test('integers keep all their digits', ({ expect }) => {
    const digits = `-9${'0123456789'.repeat(1000)}`;
    expect(printed(`[${digits}, 9007199254740993]`)).toBe(`[${digits}, 9007199254740993]`);
  });
  test('the integer -0 is 0 and the float -0.0 keeps its sign', ({ expect }) => {
    expect(printed('[-0, -0.0, -0e0]')).toBe('[0, -0.0, -0.0]');
  });
  test.for([
    ['01', '(no leading zeros)'],
    ['-01', '(no leading zeros)'],
    ['+1', '(no leading +)'],
    ['.5', '(a digit is needed before the dot)'],
    ['-.5', '(a digit is needed before the dot)'],
    ['1.', '(a digit is needed after the dot)'],
    ['1.e5', '(a digit is needed after the dot)'],
    ['1e', '1e is not a JSON number'],
    ['1e+', '1e+ is not a JSON number'],
    ['1_000', '1_000 is not a JSON number'],
    ['0x10', '0x10 is not a JSON number'],
    ['--1', '--1 is not a JSON number'],
    ['-', '- is not a JSON number'],
    ['1-2', '1-2 is not a JSON number'],
  ])('%s is refused: %s', ([text = '', words = ''], { expect }) => {
    const error = thrownBy(() => parseCommentedJson(`{"a": ${text}}`));
    expect(error.message).toContain(words);
    expect(error.message).toContain(`${text} is not a JSON number`);
    expect(error.context).toMatchObject({ line: 1, column: 7 });
  });
});

describe('strings', () => {
  test('all escapes are read, surrogate pairs are joined and lone ones kept', ({ expect }) => {
    const { root } = parseCommentedJson(String.raw`"\"\\\/\b\f\n\r\t\u00E9\ud83d\ude00\udc00é"`);
    expect(root).toBe('"\\/\b\f\n\r\té😀\udc00é');
  });
  test('escaped keys equal plain ones: the last value stands at the first position', ({
    expect,
  }) => {
    expect(printed(String.raw`{"a": 1, "b": 2, "\u0061": 3}`)).toBe('{"a": 3, "b": 2}');
  });
  test('a key like __proto__ is a key like any other', ({ expect }) => {
    expect(printed('{"__proto__": 1, "constructor": 2}')).toBe(
      '{"__proto__": 1, "constructor": 2}',
    );
  });
});

describe('comments', () => {
  test('may stand anywhere between tokens and end with the line, also a CRLF one', ({ expect }) => {
    const text =
      '# a\r\n{ // b\r\n"a" # c\n: // d\n[ # e\n1 // f\n, # g\n2 // h\n] # i\n} // j\r\n# k';
    expect(printed(text)).toBe('{"a": [1, 2]}');
  });
  test('end at a line feed only', ({ expect }) => {
    expect(printed('{"a": 1} # x\r, "b": 2')).toBe('{"a": 1}');
  });
  test('need two slashes', ({ expect }) => {
    expect(thrownBy(() => parseCommentedJson('{"a": 1} / x')).message).toContain(
      '"/" stands where',
    );
  });
});

describe('a refusal names the place, the mistake and the fix', () => {
  test.for([
    ['', 1, 1, 'nothing in it', '{}'],
    ['  \n# x\n', 1, 1, 'nothing in it', '{}'],
    ['\uFEFF{}', 1, 1, 'byte order mark', 'UTF-8 without'],
    ['{"a": 1,}', 1, 8, 'comma before the closing }', 'Remove this comma'],
    ['[1,\n  2,\n]', 2, 4, 'comma before the closing ]', 'Remove this comma'],
    ['[,1]', 1, 2, '"," stands where a value is needed', 'a value'],
    ['[1 /* x */]', 1, 4, 'block comments', '# or //'],
    ["{'a': 1}", 1, 2, 'double quotes', '"text"'],
    ['{a: 1}', 1, 2, 'a stands where a key', '"a"'],
    ['{"a": adam}', 1, 7, 'bare word adam', '"adam"'],
    ['{"a": True}', 1, 7, 'True is not', 'Write true.'],
    ['{"a": None}', 1, 7, 'None is not', 'Write null.'],
    ['{"a": truest}', 1, 7, 'bare word truest', '"truest"'],
    ['{"a": NaN}', 1, 7, 'NaN is not a JSON number', '"NaN"'],
    ['{"a": -Infinity}', 1, 7, '-Infinity is not a JSON number', '"-Infinity"'],
    ['{"a": 1\n "b": 2}', 2, 2, 'a comma or }', 'a comma or }'],
    ['[1 2]', 1, 4, 'a comma or ]', 'a comma or ]'],
    ['[1}', 1, 3, '"}" stands where a comma or ]', 'a comma or ]'],
    ['{"a" 1}', 1, 6, 'a colon after the key', 'a colon'],
    ['{"a":', 1, 6, 'the text ends where a value', 'a value'],
    ['{"a": [1, 2', 1, 7, 'this list is not closed', 'Add ]'],
    ['{"a": 1', 1, 1, 'this object is not closed', 'Add }'],
    ['{"é😀": "x', 1, 8, 'no closing quote', 'double quote'],
    ['{"a": "x\n"}', 1, 9, 'line break', '\\n'],
    ['{"a": "x\ty"}', 1, 9, 'control character U+0009', '\\t'],
    ['{"a": "x\u0001"}', 1, 9, 'control character U+0001', '\\u0001'],
    ['{"a": "C:\\data"}', 1, 10, '\\d is not an escape', '\\\\'],
    ['{"a": "\\u12g4"}', 1, 8, '\\u without four hex digits', '\\uXXXX'],
    ['{"a": "\\u12', 1, 8, '\\u without four hex digits', '\\uXXXX'],
    ['{} {}', 1, 4, 'the end of the text', 'remove'],
    ['{"a": 1}]', 1, 9, 'the end of the text', 'remove'],
    ['{"a": \u00a01}', 1, 7, 'stands where a value', 'remove'],
  ] as const)('%j at %i:%i', ([text, line, column, words, fix], { expect }) => {
    const error = thrownBy(() => parseCommentedJson(text, 'the file'));
    expect(error.code).toBe('CONFIG_SYNTAX');
    expect(error.message).toContain(`the file, line ${line}, column ${column}: `);
    expect(error.message).toContain(words);
    expect(error.hint).toContain(fix);
    expect(error.context).toEqual({ line, column, reason: 'syntax' });
  });
});

describe('limits', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  test('the deepest nesting allowed is read', ({ expect }) => {
    expect(printed(nested(MAX_JSON_DEPTH))).toBe(nested(MAX_JSON_DEPTH));
  });
  test('deeper nesting is refused, however deep', ({ expect }) => {
    for (const depth of [MAX_JSON_DEPTH + 1, 1_000_000]) {
      const error = thrownBy(() => parseCommentedJson(nested(depth)));
      expect(error.message).toContain(`nested more than ${MAX_JSON_DEPTH} deep`);
      expect(error.context).toMatchObject({ column: MAX_JSON_DEPTH + 1 });
    }
  });
  test('siblings do not count as depth', ({ expect }) => {
    const { root } = parseCommentedJson(`[${Array.from({ length: 1000 }, () => '[{}]').join()}]`);
    expect(isJsonList(root) && root.items.length).toBe(1000);
  });
});

describe('time grows with the length only', () => {
  const million = 1_000_000;
  test.for([
    ['comments', `{}${'# x\n'.repeat(million)}`],
    ['escapes', `"${'\\n'.repeat(million)}"`],
    ['digits', `[${'7'.repeat(million)}, 0.${'7'.repeat(million)}]`],
    ['items', `[${'0,'.repeat(million)}0]`],
    ['keys', `{${Array.from({ length: million / 10 }, (_, i) => `"k${i}":0,"k${i}":1`).join()}}`],
  ] as const)('a million of %s are read within seconds', ([, text], { expect }) => {
    const started = performance.now();
    parseCommentedJson(text);
    expect(performance.now() - started).toBeLessThan(4000);
  });
  test('many mistakes at the end of a long list are found without reading it for each', ({
    expect,
  }) => {
    const text = `[${'{},'.repeat(300_000)}${'1,'.repeat(50)}2]`;
    const started = performance.now();
    expect(thrownBy(() => parseExperimentConfig(text)).context).toMatchObject({ column: 900_002 });
    expect(performance.now() - started).toBeLessThan(4000);
  });
});

describe('properties', () => {
  test('what JSON.stringify writes reads back', ({ expect }) => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
        expect(JSON.parse(printed(JSON.stringify(value, null, indent)))).toEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
    );
  });
  test('what is printed reads back to the same text', ({ expect }) => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const once = printed(JSON.stringify(value));
        expect(printed(once)).toBe(once);
      }),
    );
  });
  test('any text is read or refused with CONFIG_SYNTAX, and JSON.parse accepts no text we refuse', ({
    expect,
  }) => {
    const pieces = fc.constantFrom(
      ...'{}[],:"#/\\-+.0123eE \n\t\'*nulltruefalse\uFEFF\ud800',
      'true',
      'null',
      '"a"',
      '// ',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const ours = outcome(() => parseCommentedJson(text));
        expect(ours === 'read' || isAppError(ours, 'CONFIG_SYNTAX')).toBe(true);
        if (outcome(() => JSON.parse(text)) === 'read') expect(ours).toBe('read');
      }),
      { numRuns: 2000 },
    );
  });
  test('keys and values remember where they start', ({ expect }) => {
    const text = '{ "a" : [ 1 , "x" ] }';
    const { root, rootOffset } = parseCommentedJson(`# c\n${text}`);
    const member = isJsonObject(root) ? root.members[0] : undefined;
    expect({ rootOffset, ...member }).toMatchObject({
      rootOffset: 4,
      keyOffset: 6,
      valueOffset: 12,
    });
    expect(isJsonList(member?.value) && itemOffsets(`# c\n${text}`, member.value)).toEqual([
      14, 18,
    ]);
  });
});

function outcome(read: () => unknown): unknown {
  try {
    read();
    return 'read';
  } catch (error) {
    return error;
  }
}
