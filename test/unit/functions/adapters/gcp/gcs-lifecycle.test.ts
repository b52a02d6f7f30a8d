import { test } from 'vitest';
import {
  bucketLifecycle,
  LAYER_PREFIX,
  MAX_UPLOAD_DAYS,
} from '../../../../../functions/adapters/gcp/gcs-lifecycle.ts';

const prefixes = bucketLifecycle.flatMap(({ condition }) => condition.matchesPrefix);

test('the bucket itself removes leftovers of uploads, a day after the sweep would have', ({
  expect,
}) => {
  expect(bucketLifecycle).toEqual([
    { action: { type: 'Delete' }, condition: { age: 8, matchesPrefix: ['staging/', 'sessions/'] } },
  ]);
  for (const { condition } of bucketLifecycle) {
    expect(condition.age).toBeGreaterThan(MAX_UPLOAD_DAYS);
  }
});

test('the bucket never removes a layer by itself', ({ expect }) => {
  expect(prefixes.filter((prefix) => LAYER_PREFIX.layers.startsWith(prefix))).toEqual([]);
  // Without a prefix a rule is for every object.
  expect(bucketLifecycle.every(({ condition }) => condition.matchesPrefix.length > 0)).toBe(true);
});
