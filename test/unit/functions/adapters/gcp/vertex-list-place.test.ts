import { describe, test } from 'vitest';
import {
  decodePlace,
  encodePlace,
  firstPlace,
  floorOf,
  listFilter,
} from '../../../../../functions/adapters/gcp/vertex-list-place.ts';

const DAY = 86_400_000;
const KNOWN = { floors: [], timeoutMs: DAY };

describe('pass over the jobs of a lane', () => {
  test('without an earlier look, ended jobs go back as far as a job can take', ({ expect }) => {
    expect(firstPlace(100 * DAY, 101 * DAY, KNOWN).createdFrom).toBe(100 * DAY - DAY - 7 * DAY);
  });

  test('the newest look that ended before `since` says how far back', ({ expect }) => {
    const floors = [
      { at: 3_000, createdFrom: 30 },
      { at: 2_000, createdFrom: 20 },
      { at: 1_000, createdFrom: 10 },
    ];
    expect(firstPlace(2_500, 9_000, { ...KNOWN, floors }).createdFrom).toBe(20);
    expect(firstPlace(2_000, 9_000, { ...KNOWN, floors }).createdFrom).toBe(20);
    expect(firstPlace(999, 9_000, { ...KNOWN, floors }).createdFrom).toBeLessThan(0);
  });

  test('a look covers its oldest living job, and those that the lag may hide', ({ expect }) => {
    const place = { ...firstPlace(0, DAY, KNOWN), oldestLive: 1_000 };
    expect(floorOf(place, DAY + 5, 60_000)).toEqual({ at: DAY + 5, createdFrom: 1_000 - 60_000 });
    const none = firstPlace(0, DAY, KNOWN);
    expect(floorOf(none, DAY, 60_000).createdFrom).toBe(DAY - 60_000 - 60_000);
  });

  test('filters ask by what a state is not, so that a new one counts as alive', ({ expect }) => {
    const place = { createdFrom: 0 };
    expect(listFilter('lab', { phase: 'live', ...place })).toBe(
      'labels.caliban="lab" AND state!="JOB_STATE_SUCCEEDED" AND state!="JOB_STATE_FAILED" AND state!="JOB_STATE_CANCELLED" AND state!="JOB_STATE_EXPIRED" AND state!="JOB_STATE_PARTIALLY_SUCCEEDED"',
    );
    expect(listFilter('lab', { phase: 'ended', ...place })).toMatch(
      /^labels.caliban="lab" AND state!="JOB_STATE_UNSPECIFIED" .* AND create_time>="1970-01-01T00:00:00.000Z"$/,
    );
  });

  test('a cursor is read as it was made, and nothing else is', ({ expect }) => {
    const place = { ...firstPlace(1, 2, KNOWN), token: 'abc' };
    expect(decodePlace(encodePlace(place))).toEqual(place);
    for (const bad of ['', 'x', Buffer.from('{"phase":"x"}').toString('base64url')]) {
      expect(() => decodePlace(bad)).toThrow(expect.objectContaining({ code: 'CURSOR_INVALID' }));
    }
  });
});
