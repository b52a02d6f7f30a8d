import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  jobLabels,
  type LabelPair,
  labelsFromArgs,
  parseLabelFlag,
  sanitizeLabelKey,
  sanitizeLabels,
  sanitizeLabelValue,
} from '../../../../shared/labels/labels.ts';

type Input =
  | { op: 'key' | 'value'; text: string }
  | { op: 'script_args'; args: string[] }
  | { op: 'sanitize'; pairs: LabelPair[] }
  | {
      op: 'cloud_job';
      user_labels: LabelPair[];
      job_args: string[];
      gpu: string | null;
      tpu: string | null;
      job_name: string;
      image: string;
    };

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/labels.json', import.meta.url), 'utf8'),
) as { cases: { name: string; input: Input; expected: unknown }[] };

describe('labels follow the recorded behaviour', () => {
  test.for(cases)('$name', ({ input, expected }, { expect }) => {
    expect(apply(input)).toEqual(expected);
  });
});

describe('cleaned labels are always fit for a platform', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary', maxLength: 90 }),
    fc.stringMatching(/^[-._a-zA-Z0-9]{0,80}$/),
  );

  test('a key is empty or starts with a letter and has at most 63 allowed characters', ({
    expect,
  }) => {
    fc.assert(
      fc.property(
        text,
        (t) => void expect(sanitizeLabelKey(t)).toMatch(/^([a-z][a-z0-9_-]{0,62})?$/),
      ),
    );
  });

  test('a value has at most 63 allowed characters', ({ expect }) => {
    fc.assert(
      fc.property(text, (t) => void expect(sanitizeLabelValue(t)).toMatch(/^[a-z0-9_-]{0,63}$/)),
    );
  });

  test('cleaning twice changes nothing more', ({ expect }) => {
    fc.assert(
      fc.property(text, (t) => {
        expect(sanitizeLabelKey(sanitizeLabelKey(t))).toBe(sanitizeLabelKey(t));
        expect(sanitizeLabelValue(sanitizeLabelValue(t))).toBe(sanitizeLabelValue(t));
      }),
    );
  });

  test('no key of a job is empty, whatever the user and the arguments say', ({ expect }) => {
    const builtIn = { gpu: true, tpu: false, jobName: 'n', image: 'i' };
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), fc.array(text), (user, args) => {
        const labels = jobLabels({ builtIn, user, args });
        for (const key of Object.keys(labels)) expect(key).toMatch(/^[a-z][a-z0-9_-]{0,62}$/);
      }),
    );
  });
});

describe('-l KEY=VALUE', () => {
  test.for<[flag: string, pair: LabelPair]>([
    ['a=b', ['a', 'b']],
    ['c=d=e', ['c', 'd=e']],
    [' k = v ', ['k', ' v ']],
    ['=x', ['', 'x']],
    ['k=', ['k', '']],
  ])('%j', ([flag, pair], { expect }) => {
    expect(parseLabelFlag(flag)).toEqual(pair);
  });

  test('without "=" it is refused with the word and the form', ({ expect }) => {
    expect(() => parseLabelFlag('a:b')).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: 'The label "a:b" has no "=".',
        hint: expect.stringContaining('KEY=VALUE'),
      }),
    );
  });
});

test('labels named like members of every object are ordinary labels', ({ expect }) => {
  expect(
    Object.entries(
      sanitizeLabels([
        ['constructor', 'x'],
        ['__proto__', 'y'],
      ]),
    ),
  ).toEqual([
    ['constructor', 'x'],
    ['k__proto__', 'y'],
  ]);
});

function apply(input: Input): unknown {
  switch (input.op) {
    case 'key':
      return sanitizeLabelKey(input.text);
    case 'value':
      return sanitizeLabelValue(input.text);
    case 'script_args':
      return labelsFromArgs(input.args);
    case 'sanitize':
      return sanitizeLabels(input.pairs);
    case 'cloud_job':
      return jobLabels({
        builtIn: {
          gpu: input.gpu !== null,
          tpu: input.tpu !== null,
          jobName: input.job_name,
          image: input.image,
        },
        user: input.user_labels,
        args: input.job_args,
      });
  }
}
