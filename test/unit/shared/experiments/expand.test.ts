import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { experimentJson } from '../../../../shared/experiments/canonical.ts';
import { parseExperimentConfig } from '../../../../shared/experiments/config-model.ts';
import {
  countWithin,
  type Experiment,
  experimentAt,
  experiments,
} from '../../../../shared/experiments/expand.ts';
import { flagsOf } from '../../../../shared/experiments/flags.ts';
import { thrownBy } from './thrown-by.ts';
import { experimentExpandCases, inYieldedOrder, yieldedIndices } from './vector-cases.ts';

// A documented deviation: the original takes a row that is a string apart into characters. That is never meant.
const REFUSED_ON_PURPOSE = 'compound rows of strings split into characters by original';

describe('the original expands to the same experiments', () => {
  const accepted = experimentExpandCases.filter(({ name }) => name !== REFUSED_ON_PURPOSE);
  test.for(
    accepted.flatMap(({ name, input, expected }) => (expected ? [{ name, input, expected }] : [])),
  )('$name', ({ input, expected }, { expect }) => {
    const config = parseExperimentConfig(input.config_text);
    const all = Array.from(experiments(config));
    const documented = <T>(yielded: readonly T[]) =>
      expected.documented_order.map((index) => yielded[index]);
    expect(config.count).toBe(BigInt(expected.count));
    expect(all.map((experiment) => flagsOf(experiment, 'file'))).toEqual(documented(expected.args));
    expect(all.map((experiment) => flagsOf(experiment, 'file').join(' '))).toEqual(
      documented(expected.flags),
    );
    expect(all.map((experiment) => flagsOf(experiment, 'sorted'))).toEqual(
      documented(expected.job_args),
    );
    expect(`[${inYieldedOrder(config).map(experimentJson).join(', ')}]`).toBe(expected.json);
    expect(expected.documented_order.map((index) => yieldedIndices(config)[index])).toEqual(
      all.map((_, i) => i),
    );
  });
});

describe('the original refuses the same configs', () => {
  const refused = experimentExpandCases.filter(({ error }) => error);
  test.for(refused)('$name', ({ input, error }, { expect }) => {
    const thrown = thrownBy(() => parseExperimentConfig(input.config_text));
    expect(thrown).toMatchObject({ code: 'CONFIG_INVALID', exit: 2 });
    if (error?.reason) expect(thrown.context).toMatchObject({ reason: error.reason });
  });
  test('and we refuse rows that are strings', ({ expect }) => {
    const odd = experimentExpandCases.find(({ name }) => name === REFUSED_ON_PURPOSE);
    const thrown = thrownBy(() => parseExperimentConfig(odd?.input.config_text ?? ''));
    expect(thrown.context).toMatchObject({ reason: 'row-type' });
    expect(thrown.message).toContain('the row "ef" is not a list');
  });
});

describe('large configs', () => {
  const digits = '[0,1,2,3,4,5,6,7,8,9]';
  const tenMillion = `{${['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((key) => `"${key}": ${digits}`).join()}}`;
  const valuesAt = (text: string, index: number | bigint) =>
    flagsOf(experimentAt(parseExperimentConfig(text), index), 'file')
      .filter((_, i) => i % 2 === 1)
      .join('');

  test('ten million experiments are counted and any is read without the others', ({ expect }) => {
    const started = performance.now();
    expect(parseExperimentConfig(tenMillion).count).toBe(10_000_000n);
    expect(valuesAt(tenMillion, 9_999_999)).toBe('9999999');
    expect(valuesAt(tenMillion, 1_234_567)).toBe('1234567');
    expect(performance.now() - started).toBeLessThan(3000);
  });
  test('counts and indices beyond 2^53 are exact', ({ expect }) => {
    const text = `[{}, {${Array.from({ length: 40 }, (_, i) => `"k${i}": ${digits}`).join()}}]`;
    expect(parseExperimentConfig(text).count).toBe(10n ** 40n + 1n);
    expect(valuesAt(text, 10n ** 40n)).toBe('9'.repeat(40));
    expect(valuesAt(text, 9_007_199_254_740_993_123n)).toBe(
      '9007199254740993122'.padStart(40, '0'),
    );
  });
  test('the iterator can start anywhere', ({ expect }) => {
    const config = parseExperimentConfig(`[{"x": 1}, {"y": []}, ${tenMillion}, {"z": 2}]`);
    const last = Array.from(experiments(config, config.count - 3n), (experiment) =>
      flagsOf(experiment, 'file').join(' '),
    );
    expect(last.map((line) => line.replaceAll(/[^\d]+/g, ''))).toEqual(['9999998', '9999999', '2']);
    expect(Array.from(experiments(config, config.count))).toEqual([]);
  });
  test('a hundred thousand configs in a list are found by index', ({ expect }) => {
    const config = parseExperimentConfig(
      `[${Array.from({ length: 100_000 }, (_, i) => `{"a": [${i}, -${i}]}`).join()}]`,
    );
    expect(flagsOf(experimentAt(config, 123_457), 'file')).toEqual(['--a', '-61728']);
  });
  test('a hundred thousand lists in one config are counted fast', ({ expect }) => {
    const text = `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}": [1, 2]`).join()}}`;
    expect(parseExperimentConfig(text).count).toBe(2n ** 100_000n);
  });
  test('an index outside of the config is a bug of the caller', ({ expect }) => {
    const config = parseExperimentConfig('{"a": [1, 2]}');
    for (const index of [-1, 2]) expect(() => experimentAt(config, index)).toThrow(RangeError);
    expect(() => experimentAt(parseExperimentConfig('[]'), 0)).toThrow(RangeError);
  });
});

describe('a limit', () => {
  test('that is met gives the count as a number', ({ expect }) => {
    expect(countWithin(parseExperimentConfig('{"a": [1, 2, 3]}'), 3)).toBe(3);
  });
  test('that is passed names count, limit and fix', ({ expect }) => {
    const error = thrownBy(() => countWithin(parseExperimentConfig('{"a": [1, 2, 3]}'), 2));
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', context: { count: '3', limit: 2 } });
    expect(error.message).toContain('3 experiments; the limit is 2');
    expect(error.hint).toContain('Shorten');
  });
  test('passed by far does not print a number of many lines', ({ expect }) => {
    const text = `{${Array.from({ length: 5000 }, (_, i) => `"k${i}": [1, 2]`).join()}}`;
    expect(thrownBy(() => countWithin(parseExperimentConfig(text), 2)).message).toContain(
      'more than 10000000000000',
    );
  });
});

describe('properties', () => {
  // Small sweeps of plain and compound keys over few names, so that names collide.
  const plain = fc.tuple(
    fc.constantFrom('a', 'b', 'c', 'd'),
    fc.array(fc.nat(9), { maxLength: 3 }),
  );
  const compound = fc.tuple(
    fc.constantFrom('[a,b]', '[b,c]', '[c,c]', '[d,a]'),
    fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { minLength: 1, maxLength: 3 }),
  );
  const sweep = fc.uniqueArray(fc.oneof(plain, compound), {
    selector: ([key]) => key,
    maxLength: 4,
  });
  const configs = fc.array(sweep, { maxLength: 3 });
  type SweepEntries = readonly (readonly [string, readonly (number | readonly number[])[]])[];
  const textOf = (sweeps: readonly SweepEntries[]) =>
    JSON.stringify(sweeps.map((entries) => Object.fromEntries(entries)));

  const naive = (entries: SweepEntries): Map<string, number>[] => {
    let points = [new Map<string, number>()];
    for (const [key, rows] of entries) {
      const names = key.replaceAll(/[[\]]/g, '').split(',');
      points = points.flatMap((point) =>
        rows.map((row) => {
          const values = typeof row === 'number' ? [row] : row;
          return names.reduce((next, name, i) => next.set(name, values[i] ?? 0), new Map(point));
        }),
      );
    }
    return points;
  };
  const plainOf = (experiment: Experiment) =>
    experiment.map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const naiveText = (point: Map<string, number>) =>
    Array.from(
      point,
      ([name, value]) => `${name}=${JSON.stringify({ kind: 'integer', digits: `${value}` })}`,
    );

  test('agree with nested loops over the keys', ({ expect }) => {
    fc.assert(
      fc.property(configs, (sweeps) => {
        const all = Array.from(experiments(parseExperimentConfig(textOf(sweeps))), plainOf);
        expect(all).toEqual(sweeps.flatMap(naive).map(naiveText));
      }),
    );
  });
  test('indices and experiments are the same list, from every start', ({ expect }) => {
    fc.assert(
      fc.property(configs, fc.nat(30), (sweeps, from) => {
        const config = parseExperimentConfig(textOf(sweeps));
        const direct = Array.from({ length: Number(config.count) }, (_, index) =>
          experimentAt(config, index),
        );
        expect(Array.from(experiments(config, from))).toEqual(direct.slice(from));
      }),
    );
  });
  test('no two indices give the same point when all values differ', ({ expect }) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }), (sizes) => {
        const keys = sizes.map((size, i) => [
          `k${i}`,
          Array.from({ length: size }, (_, value) => value),
        ]);
        const config = parseExperimentConfig(JSON.stringify(Object.fromEntries(keys)));
        const points = new Set(Array.from(experiments(config), experimentJson));
        expect(points.size).toBe(sizes.reduce((product, size) => product * size, 1));
      }),
    );
  });
});
