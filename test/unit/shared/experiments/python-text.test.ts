import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { parseCommentedJson } from '../../../../shared/experiments/json-text.ts';
import { pythonJson } from '../../../../shared/experiments/python-json.ts';
import { pythonFloat } from '../../../../shared/experiments/python-number.ts';
import { pythonRepr, pythonStr } from '../../../../shared/experiments/python-repr.ts';

describe('floats have the text that Python 3.11 printed for the same literal', () => {
  test.for([
    ['0.0', '0.0'],
    ['-0.0', '-0.0'],
    ['1.0', '1.0'],
    ['-1.0', '-1.0'],
    ['0.1', '0.1'],
    ['0.5', '0.5'],
    ['1.5', '1.5'],
    ['100.0', '100.0'],
    ['1e0', '1.0'],
    ['1E3', '1000.0'],
    ['2e-1', '0.2'],
    ['1e5', '100000.0'],
    ['100000.0', '100000.0'],
    ['123456.789', '123456.789'],
    ['0.001', '0.001'],
    ['0.0001', '0.0001'],
    ['0.00012', '0.00012'],
    ['0.00001', '1e-05'],
    ['1e-5', '1e-05'],
    ['1.5e-5', '1.5e-05'],
    ['9.999e-5', '9.999e-05'],
    ['1e-10', '1e-10'],
    ['1.25E-10', '1.25e-10'],
    ['1e15', '1000000000000000.0'],
    ['1e16', '1e+16'],
    ['1.5e16', '1.5e+16'],
    ['9007199254740992.0', '9007199254740992.0'],
    ['9999999999999998.0', '9999999999999998.0'],
    ['12345678901234567.0', '1.2345678901234568e+16'],
    ['123456789012345680.0', '1.2345678901234568e+17'],
    ['1e21', '1e+21'],
    ['1e22', '1e+22'],
    ['1.7976931348623157e308', '1.7976931348623157e+308'],
    ['2.2250738585072014e-308', '2.2250738585072014e-308'],
    ['5e-324', '5e-324'],
    ['2e-324', '0.0'],
    ['1e-400', '0.0'],
    ['1e400', 'inf'],
    ['-1e400', '-inf'],
    ['1e100', '1e+100'],
    ['1e-100', '1e-100'],
    ['3.141592653589793', '3.141592653589793'],
    ['0.1e1', '1.0'],
    ['0.30000000000000004', '0.30000000000000004'],
    ['2.5e-7', '2.5e-07'],
    ['1e23', '1e+23'],
    ['4.35', '4.35'],
    ['0.000123456789012345678901234567890', '0.00012345678901234567'],
    ['1.0000000000000002', '1.0000000000000002'],
    ['9.5367431640625e-07', '9.5367431640625e-07'],
    ['8.41e21', '8.41e+21'],
    ['179769313486231580793728971405301e276', '1.7976931348623157e+308'],
    ['-4.9e-324', '-5e-324'],
    ['0e5', '0.0'],
    ['-0e-5', '-0.0'],
  ] as const)('%s is %s', ([literal, text], { expect }) => {
    const { root } = parseCommentedJson(/[.eE]/.test(literal) ? literal : `${literal}.0`);
    expect(pythonStr(root)).toBe(text);
  });
  test('any float reads back from its text', ({ expect }) => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = pythonFloat(value);
        expect(text).toMatch(/^-?\d+(\.\d+)?(e[+-]\d{2,3})?$/);
        expect(/[.e]/.test(text)).toBe(true);
        expect(Number(text)).toBe(value);
      }),
    );
  });
});

describe('strings in lists have the notation that Python 3.11 printed', () => {
  test.for([
    ['x', "'x'"],
    ['', "''"],
    ["it's", '"it\'s"'],
    ['say "x"', '\'say "x"\''],
    ['it\'s "x"', "'it\\'s \"x\"'"],
    ['back\\slash', "'back\\\\slash'"],
    ['a\nb\rc\td', "'a\\nb\\rc\\td'"],
    ['\u0000\u001f\u007f', "'\\x00\\x1f\\x7f'"],
    ['\u0080\u00a0\u00ad', "'\\x80\\xa0\\xad'"],
    ['\u00e9\u2603\ud83d\ude00', "'\u00e9\u2603\ud83d\ude00'"],
    ['\u200b\u2028\ufeff', "'\\u200b\\u2028\\ufeff'"],
    ['\ue000\udb40\udc01', "'\\ue000\\U000e0001'"],
    ['\u3000x y', "'\\u3000x y'"],
    ['\udbff\udfff', "'\\U0010ffff'"],
    ['\ud800', "'\\ud800'"],
  ] as const)('%j', ([text, notation], { expect }) => {
    expect(pythonRepr(text)).toBe(notation);
    expect(pythonStr(text)).toBe(text);
  });
});

test('lists and objects have Python notation', ({ expect }) => {
  const { root } = parseCommentedJson(
    `[1, 1.0, 1e400, "it's", true, false, null, [], {}, {"a\\n": [12345678901234567890]}]`,
  );
  expect(pythonStr(root)).toBe(
    `[1, 1.0, inf, "it's", True, False, None, [], {}, {'a\\n': [12345678901234567890]}]`,
  );
});

describe('JSON text', () => {
  test('escapes all but printable ASCII, as Python does', ({ expect }) => {
    expect(pythonJson('a"\\/\b\f\n\r\t\u0001\u007fé😀\ud800')).toBe(
      String.raw`"a\"\\/\b\f\n\r\t\u0001\u007f\u00e9\ud83d\ude00\ud800"`,
    );
  });
  test('prints overflown floats as Infinity', ({ expect }) => {
    const { root } = parseCommentedJson('[1e400, -1e400]');
    expect(pythonJson(root)).toBe('[Infinity, -Infinity]');
  });
});
