import { test } from 'vitest';
import type { Experiments } from '../../../../cli/lib/parts.ts';
import { createTestCli } from '../../../doubles/cli.ts';

test('expansion hands text and form over and prints what comes', async (t) => {
  const seen: unknown[] = [];
  const experiments: Experiments = {
    countExperiments: () => 1,
    parseLabelFlag: () => ['', ''],
    expand(text, form) {
      seen.push([text, form]);
      return ['[{"a": 1}', ']\n'];
    },
  };
  const { status, stdout } = await createTestCli(t.onTestFinished).run(
    ['expansion', '--pprint', 'stdin'],
    { stdin: '{"a": 1}', parts: { experiments: async () => experiments } },
  );
  t.expect({ status, stdout }).toEqual({ status: 0, stdout: '[{"a": 1}]\n' });
  t.expect(seen).toEqual([['{"a": 1}', { pprint: true, printFlags: false }]]);
});

test('a missing file is status 2 and named', async (t) => {
  const { status, stderr } = await createTestCli(t.onTestFinished).run(['expansion', 'no.json']);
  t.expect(status).toBe(2);
  t.expect(stderr).toContain('no.json does not exist');
});
