import { describe, test } from 'vitest';
import { chunkSizeOf } from '../../../../functions/core/chunk-size.ts';
import { parseExperimentConfig } from '../../../../shared/experiments/config-model.ts';

function sizeOf(
  config: unknown,
  scriptArgs: readonly string[] = [],
  labels: Readonly<Record<string, string>> = {},
): number {
  const configText = JSON.stringify(config);
  return chunkSizeOf(200, {
    scriptArgs,
    labels,
    configText,
    config: parseExperimentConfig(configText),
  });
}

describe('the size of chunks', () => {
  test('is the usual one however many experiments there are', ({ expect }) => {
    expect(sizeOf({ lr: [0.1, 0.2] })).toBe(200);
    expect(sizeOf({ seed: Array.from({ length: 100_000 }, (_, at) => at) })).toBe(200);
    expect(sizeOf([])).toBe(200);
  });

  test('shrinks with long arguments and values, so that a commit stays below 4 MiB', ({
    expect,
  }) => {
    for (const kib of [20, 100, 900]) {
      const long = 'x'.repeat(kib * 1024);
      expect(sizeOf({}, [long]) * kib * 1024).toBeLessThan(4 * 1024 * 1024);
      expect(sizeOf({ prompt: ['a', long] }) * 3 * kib * 1024).toBeLessThan(4 * 1024 * 1024);
      expect(sizeOf({}, [long])).toBeLessThan(200);
    }
  });

  test('shrinks with many long labels, counted as bytes', ({ expect }) => {
    const pairs = Array.from({ length: 60 }, (_, at) => [`key${at}`, '漢'.repeat(130)]);
    expect(sizeOf({}, [], Object.fromEntries(pairs))).toBeLessThan(25);
  });

  test('is never less than one', ({ expect }) => {
    expect(sizeOf({ a: 'x'.repeat(5 * 1024 * 1024) })).toBe(1);
  });
});
