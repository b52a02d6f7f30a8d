import { tmpdir } from 'node:os';
import { test } from 'vitest';
import { littleRoom } from '../../../../functions/embedded/disk-room.ts';

test('little room is told with what is free, what may be needed and the way out', async ({
  expect,
}) => {
  const told = await littleRoom(tmpdir(), 2 ** 60);
  expect(told).toMatch(/^Only \d+(\.\d)? [GM]iB are free where \S+ is; .* may need \d+\.0 GiB\. /);
  expect(told).toContain('--data_dir');
});

test('nothing is told where there is enough, or where nobody can tell', async ({ expect }) => {
  expect(await littleRoom(tmpdir(), 0)).toBeNull();
  expect(await littleRoom('/no/such/place')).toBeNull();
});
