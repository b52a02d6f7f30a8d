import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { canonicalExperiment } from '../../../../shared/experiments/canonical.ts';
import { compareCodePoints } from '../../../../shared/experiments/code-point-order.ts';
import { parseExperimentConfig } from '../../../../shared/experiments/config-model.ts';
import { type Experiment, experimentAt } from '../../../../shared/experiments/expand.ts';
import { flagsOf } from '../../../../shared/experiments/flags.ts';
import { parseCommentedJson } from '../../../../shared/experiments/json-text.ts';
import { isJsonObject } from '../../../../shared/experiments/json-value.ts';
import { experimentArgsCases } from './vector-cases.ts';

function experimentOf(text: string): Experiment {
  const { root } = parseCommentedJson(text);
  if (!isJsonObject(root)) throw new Error('not an object');
  return root.members.map(({ key, value }) => [key, value] as const);
}

describe('the original gives the same arguments', () => {
  const cases = experimentArgsCases.flatMap(({ name, input, expected }) =>
    input.op === 'args' ? [{ name, input, args: expected.args }] : [],
  );
  test.for(cases)('$name', ({ input, args }, { expect }) => {
    expect([
      ...(input.base ?? []),
      ...flagsOf(experimentOf(input.experiment_text), 'file'),
    ]).toEqual(args);
  });
});

describe('sorted flags', () => {
  test('are in the order of code points, not of UTF-16 units', ({ expect }) => {
    const experiment = experimentOf(
      '{"\\ud83d\\ude00": 1, "\\uff01": 2, "b": 3, "B": 4, "a2": 5, "a10": 6, "a": 7}',
    );
    expect(flagsOf(experiment, 'sorted').filter((text) => text.startsWith('--'))).toEqual([
      '--B',
      '--a',
      '--a10',
      '--a2',
      '--b',
      '--\uff01',
      '--😀',
    ]);
  });
  test('compare like lists of code points do', ({ expect }) => {
    const codes = (text: string) => Array.from(text, (character) => character.codePointAt(0) ?? 0);
    const listOrder = (a: number[], b: number[]) => {
      const at = a.findIndex((code, i) => code !== b[i]);
      return at === -1 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
    };
    const units = fc.constantFrom('a', 'b', '\ud83d', '\ude00', '\ud83e', '\uffff', '😀', '😁');
    const texts = fc.array(units, { maxLength: 5 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Math.sign(listOrder(codes(a), codes(b))));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the canonical text', () => {
  const canonical = (text: string) =>
    canonicalExperiment(experimentAt(parseExperimentConfig(text), 0));
  test('does not depend on the order of keys, nor on how a number was written', ({ expect }) => {
    expect(canonical('{"b": 1e5, "a": -0}')).toBe('{"a": 0, "b": 100000.0}');
    expect(canonical('{"a": 0, "b": 100000.0}')).toBe('{"a": 0, "b": 100000.0}');
  });
  test('differs where the program sees a difference', ({ expect }) => {
    const texts = [
      '1',
      '1.0',
      '"1"',
      'true',
      'false',
      '[[1]]',
      '[["1"]]',
      '""',
      '1e400',
      '"inf"',
      '"\\ud800"',
      '"\\ud801"',
      '12345678901234567890',
      '12345678901234567891',
      '0.0',
      '-0.0',
      '[[{"a": 1, "b": 2}]]',
      '[[{"b": 2, "a": 1}]]',
    ];
    expect(new Set(texts.map((text) => canonical(`{"k": ${text}}`))).size).toBe(texts.length);
    expect(canonical('{"k": false}')).not.toBe(canonical('{}'));
  });
  test('is ASCII and reads back to itself', ({ expect }) => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    );
    const name = fc
      .string({ unit: 'binary', minLength: 1 })
      .filter((text) => !/[\s\p{Cc},[\]]/u.test(text));
    fc.assert(
      fc.property(fc.dictionary(name, value), (flags) => {
        const text = canonical(JSON.stringify(flags));
        expect(text).toMatch(/^[ -~]*$/);
        expect(canonical(text)).toBe(text);
      }),
    );
  });
});
