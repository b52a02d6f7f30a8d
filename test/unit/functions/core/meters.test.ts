import fc from 'fast-check';
import { describe, test } from 'vitest';
import { prometheusText } from '../../../../functions/api/prometheus-text.ts';
import { createMeters, type Meters } from '../../../../functions/core/meters.ts';
import { parsePrometheus } from '../../../doubles/prometheus-parser.ts';

const SECONDS = 'caliban_http_request_duration_seconds';

describe('meters', () => {
  test('count for each set of labels, from zero', ({ expect }) => {
    const meters = createMeters();
    meters.count('caliban_lane_claims_total', { lane: 'here' });
    meters.count('caliban_lane_claims_total', { lane: 'there' }, 5);
    meters.count('caliban_lane_claims_total', { lane: 'here' }, 2);
    expect(samplesOf(meters, 'caliban_lane_claims_total')).toEqual([
      { name: 'caliban_lane_claims_total', labels: { lane: 'here' }, value: 3 },
      { name: 'caliban_lane_claims_total', labels: { lane: 'there' }, value: 5 },
    ]);
    expect(samplesOf(meters, 'caliban_lane_submits_total')).toEqual([]);
    expect(samplesOf(createMeters(), 'caliban_lane_claims_total')).toEqual([]);
  });

  test('tell labels apart whatever is in them', ({ expect }) => {
    const meters = createMeters();
    meters.count('caliban_lane_submits_total', { lane: 'a', outcome: 'b c' });
    meters.count('caliban_lane_submits_total', { lane: 'a b', outcome: 'c' });
    expect(samplesOf(meters, 'caliban_lane_submits_total')).toHaveLength(2);
  });

  test('a histogram holds each value in every bucket from its own on', ({ expect }) => {
    const values = fc.array(
      fc.oneof(fc.constantFrom(0, 0.001, 30, 31), fc.double({ min: 0, max: 60, noNaN: true })),
    );
    const property = fc.property(values, (seconds) => {
      const meters = createMeters();
      const labels = { method: 'GET', route: '/v1/me' };
      for (const value of seconds) meters.observe(SECONDS, labels, value);
      for (const { name, labels: found, value } of samplesOf(meters, SECONDS)) {
        if (name !== `${SECONDS}_bucket`) continue;
        const bound = Number(found['le']?.replace('+Inf', 'Infinity'));
        expect(value).toBe(seconds.filter((each) => each <= bound).length);
      }
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('a histogram has the sum and the number of its values', ({ expect }) => {
    const meters = createMeters();
    for (const value of [0.25, 0.5, 100]) {
      meters.observe('caliban_build_duration_seconds', { state: 'ready' }, value);
    }
    const samples = samplesOf(meters, 'caliban_build_duration_seconds');
    expect(samples.find(({ name }) => name.endsWith('_sum'))?.value).toBe(100.75);
    expect(samples.find(({ name }) => name.endsWith('_count'))?.value).toBe(3);
  });
});

function samplesOf(meters: Meters, name: string) {
  const text = prometheusText(meters.families());
  const family = parsePrometheus(text).get(name);
  if (family === undefined) throw new Error(`no ${name}`);
  return family.samples;
}
