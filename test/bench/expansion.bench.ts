import { parseExperimentConfig } from '../../shared/experiments/config-model.ts';
import { experimentAt, experiments } from '../../shared/experiments/expand.ts';
import { flagsOf } from '../../shared/experiments/flags.ts';
import { compare, ms, report } from './measure.ts';

// Expansion of a million points against nested loops that build the same flags by hand, and the last point read directly.
const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const text = JSON.stringify(Object.fromEntries(KEYS.map((key) => [key, DIGITS])));
const config = parseExperimentConfig(text);

function expand(): number {
  let length = 0;
  for (const experiment of experiments(config)) length += flagsOf(experiment, 'file').length;
  return length;
}

function byHand(): number {
  let length = 0;
  const recurse = (depth: number, flags: readonly string[]): void => {
    const key = KEYS[depth];
    if (key === undefined) {
      length += flags.length;
      return;
    }
    for (const digit of DIGITS) recurse(depth + 1, [...flags, `--${key}`, String(digit)]);
  };
  recurse(0, []);
  return length;
}

if (expand() !== byHand()) throw new Error('the two expansions differ');
const times = await compare(3, { expand, byHand });
const million = times['expand'] ?? 0;
report({
  what: 'expanding 1,000,000 points of six keys into flags (`expansion`)',
  ratio: million / (times['byHand'] ?? 1),
  measured: `${(1_000 / million).toFixed(2)} million a second`,
  baseline: `nested loops that write the same flags by hand: ${ms(times['byHand'] ?? 0)}`,
});
const wide = parseExperimentConfig(
  JSON.stringify(Object.fromEntries([...KEYS, 'g'].map((key) => [key, DIGITS]))),
);
const direct = await compare(50, {
  first: () => flagsOf(experimentAt(wide, 0), 'file'),
  last: () => flagsOf(experimentAt(wide, 9_999_999), 'file'),
});
const microseconds = (name: string) => `${((direct[name] ?? 0) * 1_000).toFixed(0)} µs`;
report({
  what: 'reading point 9,999,999 of ten million (`expansion`)',
  ratio: (direct['last'] ?? 0) / (direct['first'] ?? 1),
  measured: microseconds('last'),
  baseline: `point 0 of the same config: ${microseconds('first')}`,
});
