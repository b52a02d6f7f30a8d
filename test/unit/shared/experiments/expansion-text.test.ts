import { describe, test } from 'vitest';
import { canonicalExperiment, experimentJson } from '../../../../shared/experiments/canonical.ts';
import { parseExperimentConfig } from '../../../../shared/experiments/config-model.ts';
import { experiments } from '../../../../shared/experiments/expand.ts';
import {
  type ExpansionFormat,
  expansionText,
} from '../../../../shared/experiments/expansion-text.ts';
import { experimentArgsCases, inYieldedOrder } from './vector-cases.ts';

const printed = (text: string, format: ExpansionFormat) =>
  Array.from(expansionText(parseExperimentConfig(text), format)).join('');

/** The config whose documented order is the order in which the original yields the given one. */
const asYielded = (text: string) =>
  `[${inYieldedOrder(parseExperimentConfig(text)).map(asConfig).join()}]`;
const asConfig = (experiment: Parameters<typeof experimentJson>[0]) =>
  experimentJson(
    experiment.map(([name, value]) => [name, { kind: 'list', items: [value], offset: 0 }]),
  );

describe('the original prints the same, but for the order of experiments', () => {
  const cases = experimentArgsCases.flatMap(({ name, input, expected }) =>
    input.op === 'expansion' ? [{ name, input, stdout: expected.stdout }] : [],
  );
  test.for(cases)('$name', ({ input, stdout }, { expect }) => {
    const format = input.options.includes('flags')
      ? 'flags'
      : input.options.includes('pprint')
        ? 'pretty'
        : 'json';
    expect(printed(asYielded(input.config_text), format)).toBe(stdout);
  });
});

describe('formats', () => {
  const text = '{"b": [1.0, 1], "a": ["é", true], "[c,d]": [[[1, []], "x y"]]}';
  test('flags in the documented order, keys in the order of the file, nothing quoted', ({
    expect,
  }) => {
    expect(printed(text, 'flags')).toBe(
      '--b 1.0 --a é --c [1, []] --d x y\n--b 1.0 --a --c [1, []] --d x y\n--b 1 --a é --c [1, []] --d x y\n--b 1 --a --c [1, []] --d x y\n',
    );
  });
  test('one line', ({ expect }) => {
    expect(printed('{"b": [1.0, 1e400], "a": "é"}', 'json')).toBe(
      '[{"b": 1.0, "a": "\\u00e9"}, {"b": Infinity, "a": "\\u00e9"}]\n',
    );
  });
  test('indented, list values too', ({ expect }) => {
    expect(printed('[{"a": [[1, [], {}, {"k": [2]}]]}, {}]', 'pretty')).toBe(`[
  {
    "a": [
      1,
      [],
      {},
      {
        "k": [
          2
        ]
      }
    ]
  },
  {}
]
`);
  });
  test('no experiments', ({ expect }) => {
    expect([printed('[]', 'json'), printed('[]', 'pretty'), printed('[]', 'flags')]).toEqual([
      '[]\n',
      '[]\n',
      '',
    ]);
  });
  test('an empty experiment is an empty line of flags', ({ expect }) => {
    expect(printed('[{}, {"a": 1}]', 'flags')).toBe('\n--a 1\n');
  });
  test('what is printed as JSON is a config of the same experiments', ({ expect }) => {
    const source = '[{"b": [1.0, 1], "a": ["é", true]}, {}, {"[x,y]": [[1, "q"], [2, "r"]]}]';
    const canonical = (config: string) =>
      Array.from(experiments(parseExperimentConfig(config)), canonicalExperiment);
    for (const format of ['json', 'pretty'] as const)
      expect(canonical(printed(source, format))).toEqual(canonical(source));
  });
});

test('the text is made while it is read, in chunks near 64 Ki', ({ expect }) => {
  const digits = '[0,1,2,3,4,5,6,7,8,9]';
  const text = `{${Array.from({ length: 30 }, (_, i) => `"k${i}": ${digits}`).join()}}`;
  const chunks = expansionText(parseExperimentConfig(text), 'json');
  const lengths = Array.from({ length: 5 }, () => chunks.next().value?.length ?? 0);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(65_536);
  expect(Math.max(...lengths)).toBeLessThan(67_000);
});
