import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Change,
  changesBehind,
  stampsRead,
} from '../../../../../functions/adapters/gcp/firestore-changes.ts';
import type { Cursor } from '../../../../../functions/ports/store.ts';
import { aDocument } from '../../../../contract/store-documents.ts';

const BEHIND_MS = 7_000;

function change(id: string, stamp: number, changedAt: number): Change<'jobs'> {
  const key = { collection: 'jobs', id } as const;
  return { stored: { key, value: aDocument('jobs'), version: id, changedAt }, stamp };
}

const idsOf = (found: readonly { readonly key: { readonly id: string } }[]) =>
  found.map(({ key }) => key.id);

test('a commit that was overtaken comes after the one that overtook it', () => {
  const changes = [change('slow', 1_000, 1_900), change('fast', 1_500, 1_501)];
  expect(idsOf(changesBehind(changes, undefined, 5_000))).toEqual(['fast', 'slow']);
  const behindFast = changesBehind(changes, { value: 1_501, id: 'fast' }, 5_000);
  expect(idsOf(behindFast)).toEqual(['slow']);
});

test('what may still have something unread before it is not told yet', () => {
  const changes = [change('a', 1_000, 3_000), change('b', 1_200, 1_201)];
  expect(stampsRead(changes, 9_000)).toBe(1_100);
  expect(changesBehind(changes, undefined, stampsRead(changes, 9_000))).toEqual([]);
  // A query that broke off and was gone on with: only what its first part had seen.
  expect(idsOf(changesBehind(changes, undefined, 2_000))).toEqual(['b']);
});

test('pages of any reads give every commit once, in order', () => {
  const commit = fc.record({
    stamp: fc.integer({ min: 0, max: 20_000 }),
    takes: fc.integer({ min: 0, max: BEHIND_MS - 1 }),
  });
  const property = fc.property(
    fc.uniqueArray(commit, { maxLength: 60, selector: ({ stamp, takes }) => stamp + takes }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 20 }),
    (commits, limit, extra) => {
      const changes = commits
        .map(({ stamp, takes }, i) => change(`j${i}`, stamp, stamp + takes))
        .sort((a, b) => a.stamp - b.stamp);
      const inOrder = changes.toSorted((a, b) => a.stored.changedAt - b.stored.changedAt);
      expect(follow(changes, limit, extra)).toEqual(inOrder.map(({ stored }) => stored.key.id));
    },
  );
  fc.assert(property);
});

function follow(changes: readonly Change<'jobs'>[], limit: number, extra: number): string[] {
  const told: string[] = [];
  let after: Cursor | undefined;
  for (;;) {
    const last = pageBehind(changes, after, { limit, extra }).map((each) => {
      told.push(each.key.id);
      return { value: each.changedAt, id: each.key.id };
    });
    after = last.at(-1);
    if (after === undefined) return told;
  }
}

// As the lister reads: from some time before the place, in order of the stamps, more and more.
function pageBehind(
  changes: readonly Change<'jobs'>[],
  after: Cursor | undefined,
  { limit, extra }: { readonly limit: number; readonly extra: number },
) {
  const from = after === undefined ? 0 : Number(after.value) - BEHIND_MS;
  const stretch = changes.filter(({ stamp }) => stamp >= from);
  for (let size = limit + extra; ; size *= 4) {
    const read = stretch.slice(0, size);
    const isAll = read.length < size;
    const sure = changesBehind(read, after, isAll ? 99_999 : stampsRead(read, 99_999));
    if (isAll || sure.length > limit) return sure.slice(0, limit);
  }
}
