import { tmpdir } from 'node:os';
import { describe, test } from 'vitest';
import { isNetworkFilesystem } from '../../../../../../functions/adapters/local/sqlite/network-filesystem.ts';

const MOUNTS = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /nowhere/home rw,relatime shared:2 - nfs4 nas:/home rw,vers=4.2
31 30 8:1 / /nowhere/home/scratch rw - xfs /dev/sdb1 rw
32 22 0:41 / /nowhere/a\\040b rw - cifs //nas/share rw
33 22 0:42 / /nowhere/covered rw - nfs nas:/old rw
34 22 8:2 / /nowhere/covered rw - ext4 /dev/sdc rw
35 22 0:43 /sub /nowhere/sshfs rw master:3 propagate_from:4 - fuse.sshfs me@host: rw
`;

describe('isNetworkFilesystem', () => {
  test.for([
    ['/nowhere/home/ada/.caliban/service.db', true],
    ['/nowhere/home', true],
    ['/nowhere/home/../home/ada', true],
    ['/nowhere/homes/ada', false],
    ['/nowhere/home/scratch/service.db', false],
    ['/nowhere/home/scratch2/service.db', true],
    ['/nowhere/a b/service.db', true],
    ['/nowhere/covered/service.db', false],
    ['/nowhere/sshfs/x', true],
    ['/nowhere/elsewhere', false],
  ] as const)('%s: %s', ([path, expected], { expect }) => {
    expect(isNetworkFilesystem(path, MOUNTS)).toBe(expected);
  });

  test('without a list of mounts every path is taken as local', ({ expect }) => {
    expect(isNetworkFilesystem('/nowhere/home/ada', '')).toBe(false);
    expect(isNetworkFilesystem('/nowhere/home/ada', 'not a mount list\n - - -\n')).toBe(false);
  });

  test('temporary files of this machine are local, as the tests of the store need', ({
    expect,
  }) => {
    expect(isNetworkFilesystem(tmpdir())).toBe(false);
  });
});
