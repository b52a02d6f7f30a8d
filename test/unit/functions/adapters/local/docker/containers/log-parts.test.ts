import { test } from 'vitest';
import {
  parseParts,
  partLines,
} from '../../../../../../../functions/adapters/local/docker/containers/log-parts.ts';

test('announced bytes that the log does not have are not counted, in the order of the runs', ({
  expect,
}) => {
  const parts = parseParts('1 10\n2 5\n1 7\n', 12);
  expect([parts.size, parts.written(1), parts.written(2)]).toEqual([12, 10, 2]);
});

test('what is behind a damaged line is not known', ({ expect }) => {
  const parts = parseParts('1 10\n\0\0\0\n2 5\n', 15);
  expect([parts.size, parts.written(1), parts.written(2)]).toEqual([10, 10, 0]);
});

test('behind a line of ours counting begins anew, and its place is known', ({ expect }) => {
  const parts = parseParts('1 10\n2 5\n0 40\n2 3\n1 4\n', 100);
  expect([parts.size, parts.written(1), parts.written(2)]).toEqual([62, 4, 3]);
  expect(parts.firstRuns()).toEqual([
    { stream: 2, bytes: 3, at: 55 },
    { stream: 1, bytes: 4, at: 58 },
  ]);
});

test('put together they are short and tell the same, also again and again', ({ expect }) => {
  const runs = Array.from({ length: 1000 }, (_, i) => ({
    stream: i % 2 === 0 ? (1 as const) : (2 as const),
    bytes: i + 1,
  }));
  const whole = parseParts(`1 9\n0 11\n${partLines(runs)}`, 10_000_000);
  let text = whole.text();
  for (let again = 0; again < 3; again++) {
    const read = parseParts(text, whole.size);
    expect(text.length).toBeLessThan(1000);
    expect([read.size, read.written(1), read.written(2)]).toEqual([
      whole.size,
      whole.written(1),
      whole.written(2),
    ]);
    expect(read.firstRuns().slice(0, 64)).toEqual(whole.firstRuns());
    text = read.text();
  }
});
