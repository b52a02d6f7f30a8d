import { test } from 'vitest';
import { createQuickEnds } from '../../../../../../functions/adapters/local/process/quick-ends.ts';

test('as many attempts may wait as lately ran for a moment only', ({ expect }) => {
  const ends = createQuickEnds(2);
  expect(ends.ahead(1_000)).toBe(0);
  ends.add({ startedAt: 990, finishedAt: 1_000 }, 1_000);
  ends.add({ startedAt: 700, finishedAt: 1_000 }, 1_000);
  expect(ends.ahead(1_100)).toBe(2);
  expect(ends.ahead(1_501)).toBe(0);
});

test('what ran longer, or never, lets none wait', ({ expect }) => {
  const ends = createQuickEnds(2);
  ends.add({ startedAt: 0, finishedAt: 3_600_000 }, 3_600_000);
  ends.add({ startedAt: null, finishedAt: 3_600_000 }, 3_600_000);
  expect(ends.ahead(3_600_000)).toBe(0);
});

test('eight for each slot at most', ({ expect }) => {
  const ends = createQuickEnds(3);
  for (let i = 0; i < 100; i++) ends.add({ startedAt: 0, finishedAt: 1 }, 10);
  expect(ends.ahead(10)).toBe(24);
});
