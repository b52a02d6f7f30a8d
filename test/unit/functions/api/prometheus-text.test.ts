import fc from 'fast-check';
import { describe, test } from 'vitest';
import { prometheusText } from '../../../../functions/api/prometheus-text.ts';
import type { Family } from '../../../../functions/core/meters.ts';
import { parsePrometheus } from '../../../doubles/prometheus-parser.ts';

describe('the text for Prometheus', () => {
  test('is as its format says', ({ expect }) => {
    const jobs: Family = {
      ...{ name: 'jobs', help: 'Jobs by state.', type: 'gauge' },
      samples: [
        { labels: { state: 'QUEUED', platform: 'process' }, value: 3 },
        { labels: {}, value: 0.5 },
      ],
    };
    const seconds: Family = {
      ...{ name: 'seconds', help: 'Line one\nand \\ two.', type: 'histogram' },
      samples: [
        { suffix: '_bucket', labels: { le: '+Inf' }, value: 2 },
        { suffix: '_sum', labels: {}, value: Number.POSITIVE_INFINITY },
        { suffix: '_count', labels: {}, value: 2 },
      ],
    };
    expect(prometheusText([jobs, seconds])).toBe(
      [
        '# HELP jobs Jobs by state.',
        '# TYPE jobs gauge',
        'jobs{state="QUEUED",platform="process"} 3',
        'jobs 0.5',
        '# HELP seconds Line one\\nand \\\\ two.',
        '# TYPE seconds histogram',
        'seconds_bucket{le="+Inf"} 2',
        'seconds_sum +Inf',
        'seconds_count 2',
        '',
      ].join('\n'),
    );
  });

  const HOSTILE = [
    '"} 1\ncaliban_jobs{state="STOLEN',
    '\\',
    '\\"',
    '\\n',
    '\n',
    '\r\n# TYPE x counter',
    '\0\u2028😀\ud800',
    '',
  ];

  test('lets no value of a label out of its quotes, whatever it is', ({ expect }) => {
    const value = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary' }));
    const property = fc.property(value, value, (one, two) => {
      const family: Family = {
        ...{ name: 'jobs', help: `Help ${one}`, type: 'gauge' },
        samples: [{ labels: { one, two }, value: 1 }],
      };
      const parsed = parsePrometheus(prometheusText([family]));
      expect([...parsed.keys()]).toEqual(['jobs']);
      expect(parsed.get('jobs')?.samples).toEqual([
        { name: 'jobs', labels: { one: one.toWellFormed(), two: two.toWellFormed() }, value: 1 },
      ]);
    });
    fc.assert(property, { numRuns: 500 });
  });
});
