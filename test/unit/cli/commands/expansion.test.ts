import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import * as z from 'zod';
import { createTestCli } from '../../../doubles/cli.ts';

const vectors = z
  .object({
    cases: z.array(
      z.object({
        name: z.string(),
        input: z.looseObject({ op: z.string() }),
        expected: z.unknown(),
      }),
    ),
  })
  .parse(
    JSON.parse(
      readFileSync(
        new URL('../../../fixtures/vectors/experiment-args.json', import.meta.url),
        'utf8',
      ),
    ),
  );
const expansionCase = z.object({
  input: z.object({ config_text: z.string(), options: z.array(z.enum(['pprint', 'flags'])) }),
  expected: z.object({ stdout: z.string() }),
});

describe('expansion', () => {
  for (const vector of vectors.cases.filter(({ input }) => input.op === 'expansion')) {
    test(`prints what the original prints, as a set of lines: ${vector.name}`, async ({
      expect,
      onTestFinished,
    }) => {
      const { input, expected } = expansionCase.parse(vector);
      const flags = input.options.map((option) =>
        option === 'flags' ? '--print_flags' : '--pprint',
      );
      const { status, stdout } = await createTestCli(onTestFinished).run(
        ['expansion', ...flags, '-'],
        { stdin: input.config_text },
      );
      expect(status).toBe(0);
      // The original yields the first key fastest, we number it slowest: the same lines in another order.
      expect(stdout.split('\n').toSorted()).toEqual(expected.stdout.split('\n').toSorted());
    });
  }

  test('a config that stands for nothing is printed, and noted', async (t) => {
    const { status, stdout, stderr } = await createTestCli(t.onTestFinished).run(
      ['expansion', 'stdin'],
      { stdin: '[]' },
    );
    t.expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: '[]' });
    t.expect(stderr).toContain('stands for no experiment');
  });

  test('a missing file is status 2 and named', async ({ expect, onTestFinished }) => {
    const { status, stderr } = await createTestCli(onTestFinished).run(['expansion', 'no.json']);
    expect(status).toBe(2);
    expect(stderr).toContain('no.json does not exist');
  });

  test('a broken config is status 2 with its line and column, and prints nothing', async ({
    expect,
    onTestFinished,
  }) => {
    const { status, stdout, stderr } = await createTestCli(onTestFinished).run(
      ['expansion', 'stdin'],
      { stdin: '{\n  "a": null\n}' },
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/line 2.*column 8/);
  });
});
