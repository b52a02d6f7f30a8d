import {
  aDirectory,
  aFile,
  aHardlink,
  anEntry,
  aSymlink,
  aTar,
  gnuLong,
  paxHeader,
  rawPaxHeader,
} from '../doubles/tar-builder.ts';

/** An archive that every layer store must refuse, and what its message says. */
export interface HostileArchive {
  readonly name: string;
  readonly tar: Uint8Array;
  readonly says: RegExp;
}

/** Name of the case, the one field that differs, and the message. */
type Triple = readonly [string, string, RegExp];

const DEEP = 'usr/app/a/b';

/** Archives that are fine: the store takes them and reads `path` back as `content`. */
export const HONEST_ARCHIVES = [
  {
    name: 'a code layer',
    tar: aTar(
      aDirectory('usr/app/pkg'),
      aFile('usr/app/pkg/main.py', 'print(1)\n'),
      aFile('usr/app/pkg/run.sh', '#!/bin/sh\n', 0o755),
      aSymlink('usr/app/pkg/link', '../pkg/main.py'),
      aHardlink('usr/app/pkg/hard.py', 'usr/app/pkg/main.py'),
    ),
    path: 'usr/app/pkg/hard.py',
    content: 'print(1)\n',
  },
  {
    name: 'a dependency layer of plain names',
    tar: aTar(aFile('requirements.txt', 'numpy\n'), aFile('sub/setup.cfg', '[metadata]\n')),
    path: 'sub/setup.cfg',
    content: '[metadata]\n',
  },
  {
    name: 'an archive whose link reaches the root and no further',
    tar: aTar(aFile('a/b/c', 'c'), aSymlink('a/b/root', '../../'), aSymlink('here', '.')),
    path: 'a/b/c',
    content: 'c',
  },
  {
    name: 'a pax path and link path beyond 100 bytes',
    tar: aTar(
      paxHeader({ path: `${'d/'.repeat(150)}ünï`, mtime: '1.5' }),
      anEntry({ name: 'short', content: 'long' }),
      paxHeader({ linkpath: `${'d/'.repeat(150)}ünï` }),
      aSymlink('link', 'short'),
    ),
    path: `${'d/'.repeat(150)}ünï`,
    content: 'long',
  },
  {
    name: 'GNU long names',
    tar: aTar(
      gnuLong('L', 'n'.repeat(200)),
      anEntry({ name: 'n', content: 'gnu', magic: 'ustar  \0' }),
      gnuLong('K', 'n'.repeat(200)),
      gnuLong('L', 'l'.repeat(200)),
      anEntry({ name: 'l', type: '1', linkName: 'n', magic: 'ustar  \0' }),
    ),
    path: 'l'.repeat(200),
    content: 'gnu',
  },
  {
    name: 'a directory entry behind what lies in it, an empty file and a ustar prefix',
    tar: aTar(
      anEntry({ name: 'file', prefix: 'some/where', content: '' }),
      aDirectory('some/where'),
      anEntry({ name: 'old', type: '\0', content: 'old' }),
    ),
    path: 'some/where/file',
    content: '',
  },
  {
    name: 'a pax size that repeats the header, and a base-256 size',
    tar: aTar(
      paxHeader({ size: '3' }),
      aFile('a', 'abc'),
      anEntry({
        name: 'b',
        content: 'xyz',
        size: Uint8Array.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]),
      }),
    ),
    path: 'b',
    content: 'xyz',
  },
] as const;

/** Paths that lead out or mean different things to different readers. */
const BAD_PATHS: readonly Triple[] = [
  ['a path that climbs out', '../evil', /"\.\.\/evil": its path contains "\.\."/],
  ['a path with .. in the middle', 'usr/app/../../etc/passwd', /contains "\.\."/],
  ['a path that ends in ..', 'usr/app/..', /contains "\.\."/],
  ['an absolute path', '/etc/passwd', /"\/etc\/passwd": its path is absolute/],
  ['an empty path', '', /not plain/],
  ['a path with a "." part', './a', /not plain/],
  ['a path with an empty part', 'a//b', /not plain/],
  ['a file whose path ends in a slash', 'a/', /not plain/],
  ['a newline in a name', 'a\nb', /"a\\u\{a\}b": its path has a control character/],
  ['an escape sequence in a name', 'a\u001b[31m', /\\u\{1b\}.*control character/],
  ['a C1 control character in a name', 'a\u009bb', /control character/],
  ['a whiteout', 'usr/app/.wh.main.py', /deletes files/],
  ['a whiteout of the parent', 'usr/app/.wh...', /deletes files/],
];

const BAD_LINKS: readonly HostileArchive[] = [
  {
    name: 'a symbolic link that leaves the archive',
    tar: aTar(aSymlink('a/link', '../../etc')),
    says: /"a\/link": it links to "\.\.\/\.\.\/etc", which leaves the archive/,
  },
  {
    name: 'a symbolic link that leaves usr/app',
    tar: aTar(aSymlink('usr/app/link', '../lib')),
    says: /"usr\/app\/link": it links to "\.\.\/lib", which leaves usr\/app/,
  },
  {
    name: 'a symbolic link that climbs through another link',
    tar: aTar(
      aDirectory(`${DEEP}`),
      aSymlink(`${DEEP}/up`, '../..'),
      aSymlink('usr/app/out', 'a/b/up/../../etc'),
    ),
    says: /"usr\/app\/out": .* behind a name/,
  },
  {
    name: 'an absolute symbolic link',
    tar: aTar(aSymlink('usr/app/link', '/etc/passwd')),
    says: /"usr\/app\/link": it links to the absolute path "\/etc\/passwd"/,
  },
  { name: 'a link without target', tar: aTar(aSymlink('a', '')), says: /without a target/ },
  {
    name: 'a link target with a control character',
    tar: aTar(aSymlink('a', 'b\u0007')),
    says: /"a": its link target has a control/,
  },
  {
    name: 'a file below a symbolic link',
    tar: aTar(aDirectory('d'), aSymlink('l', 'd'), aFile('l/f', 'x')),
    says: /"l\/f": it lies below a symbolic link/,
  },
  {
    name: 'a file deep below a symbolic link',
    tar: aTar(aSymlink('l', 'd'), aFile('l/x/y/f', 'x')),
    says: /"l\/x\/y\/f": it lies below a symbolic link/,
  },
  {
    name: 'a file below a file',
    tar: aTar(aFile('f', 'x'), aFile('f/g', 'x')),
    says: /"f\/g": it lies below a file/,
  },
  {
    name: 'a symbolic link in place of a directory with entries',
    tar: aTar(aFile('d/f', 'x'), aSymlink('d', 'e')),
    says: /"d": it is not a directory, but other entries lie below/,
  },
  {
    name: 'a hard link out of the archive',
    tar: aTar(aHardlink('h', '../../etc/shadow')),
    says: /"h": it is a hard link to "\.\.\/\.\.\/etc\/shadow", which is no file that comes before/,
  },
  {
    name: 'an absolute hard link',
    tar: aTar(aHardlink('h', '/etc/shadow')),
    says: /"h": it links to the absolute path/,
  },
  {
    name: 'a hard link to a file that comes later',
    tar: aTar(aHardlink('h', 'f'), aFile('f', 'x')),
    says: /"h": it is a hard link to "f", which is no file/,
  },
  {
    name: 'a hard link to a symbolic link',
    tar: aTar(aSymlink('s', 'x'), aHardlink('h', 's')),
    says: /"h": it is a hard link/,
  },
  {
    name: 'a hard link from usr/app to outside',
    tar: aTar(aFile('secret', 'x'), aHardlink('usr/app/h', 'secret')),
    says: /"usr\/app\/h": .*leaves usr\/app/,
  },
];

const BAD_KINDS: readonly Triple[] = [
  ['a character device', '3', /character device/],
  ['a block device', '4', /block device/],
  ['a fifo', '6', /named pipe/],
  ['a sparse file', 'S', /sparse/],
  ['a global pax header', 'g', /global pax header/],
  ['an unknown type', 'Z', /unknown type "Z"/],
];

const DUPLICATES: readonly (readonly [string, Uint8Array, Uint8Array])[] = [
  ['a file twice', aFile('a', '1'), aFile('a', '2')],
  ['a directory twice', aDirectory('a'), aDirectory('a')],
  ['a link in place of a file', aFile('a', '1'), aSymlink('a', 'b')],
];

const BAD_PAX: readonly HostileArchive[] = [
  {
    name: 'a pax path that climbs out behind a harmless name',
    tar: aTar(paxHeader({ path: '../evil' }), aFile('fine', 'x')),
    says: /"\.\.\/evil": its path contains/,
  },
  {
    name: 'a pax link path that climbs out behind a harmless target',
    tar: aTar(paxHeader({ linkpath: '../../evil' }), aSymlink('l', 'fine')),
    says: /"l": it links to "\.\.\/\.\.\/evil", which leaves/,
  },
  {
    name: 'a NUL in a pax path',
    tar: aTar(paxHeader({ path: 'a\0b' }), aFile('fine', 'x')),
    says: /pax.*without keyword or value/,
  },
  {
    name: 'a pax size that hides an entry',
    tar: aTar(paxHeader({ size: '1024' }), aFile('outer', 'x'), aFile('inner', 'x')),
    says: /"outer": it has two sizes, 1 and 1024/,
  },
  {
    name: 'a pax size that is no number',
    tar: aTar(paxHeader({ size: '-1' }), aFile('a', 'x')),
    says: /size that is no number/,
  },
  {
    name: 'a pax keyword twice',
    tar: aTar(rawPaxHeader('10 path=a\n10 path=b\n'), aFile('c', 'x')),
    says: /gives path twice/,
  },
  {
    name: 'an empty pax path, which some readers take as absent',
    tar: aTar(paxHeader({ path: '' }), aFile('c', 'x')),
    says: /without keyword or value/,
  },
  {
    name: 'a pax sparse map',
    tar: aTar(paxHeader({ 'GNU.sparse.name': 'evil' }), aFile('c', 'x')),
    says: /"GNU\.sparse\.name": an extended \(pax\) header has a keyword that is not accepted/,
  },
  {
    name: 'a pax record of a wrong length',
    tar: aTar(rawPaxHeader('99 path=a\n'), aFile('c', 'x')),
    says: /wrong length/,
  },
  {
    name: 'a huge pax header',
    tar: aTar(paxHeader({ comment: 'x'.repeat(1024 * 1024) }), aFile('c', 'x')),
    says: /extension header has \d+ bytes, the limit is 16384/,
  },
  {
    name: 'two pax headers in a row',
    tar: aTar(paxHeader({ path: 'a' }), paxHeader({ path: 'b' }), aFile('c', 'x')),
    says: /two extension headers/,
  },
  {
    name: 'a pax and a GNU name for one entry',
    tar: aTar(paxHeader({ path: 'a' }), gnuLong('L', 'b'), aFile('c', 'x')),
    says: /two extension headers/,
  },
  {
    name: 'a GNU long name that climbs out',
    tar: aTar(gnuLong('L', '../evil'), aFile('c', 'x')),
    says: /"\.\.\/evil": its path contains/,
  },
  {
    name: 'a pax header without an entry',
    tar: aTar(aFile('a', 'x'), paxHeader({ path: 'b' })),
    says: /last header has no entry/,
  },
];

const BAD_BYTES: readonly HostileArchive[] = [
  {
    name: 'bytes that are no tar',
    tar: new TextEncoder().encode('PK\u0003\u0004'.repeat(1024)),
    says: /not a tar archive/,
  },
  {
    name: 'a wrong checksum',
    tar: aTar(anEntry({ name: 'a', breakChecksum: true })),
    says: /wrong checksum/,
  },
  {
    name: 'an archive without its end',
    tar: aFile('a', 'x'),
    says: /two zero blocks at its end are missing/,
  },
  {
    name: 'an archive cut inside a file',
    tar: aFile('a', 'x'.repeat(2000)).subarray(0, 1024),
    says: /"a": the archive ends inside it/,
  },
  {
    name: 'entries behind the end',
    tar: Buffer.concat([aTar(aFile('a', 'x')), aTar(aFile('b', 'x'))]),
    says: /goes on behind its end/,
  },
  {
    name: 'a NUL inside a ustar name',
    tar: aTar(anEntry({ name: 'a\0b', content: 'x' })),
    says: /"a": a name has bytes behind a NUL/,
  },
  {
    name: 'a name that is not UTF-8',
    tar: aTar(anEntry({ name: Uint8Array.from([0x61, 0xff]), content: 'x' })),
    says: /not valid UTF-8/,
  },
  {
    name: 'an old header without magic',
    tar: aTar(anEntry({ name: 'a', magic: '\0\0\0\0\0\0\0\0' })),
    says: /"a": its header is neither in POSIX ustar nor in GNU format/,
  },
  {
    name: 'fields of an old GNU format where POSIX has the prefix',
    tar: aTar(anEntry({ name: 'a', magic: 'ustar  \0', prefix: '../..' })),
    says: /"a": its header has fields of an old GNU format/,
  },
  {
    name: 'a star header, whose prefix is shorter',
    tar: aTar(anEntry({ name: 'a', patch: { at: 508, bytes: new TextEncoder().encode('tar\0') } })),
    says: /"a": its header has bytes behind the last field/,
  },
  {
    name: 'a negative size',
    tar: aTar(anEntry({ name: 'a', size: new Uint8Array(12).fill(0xff) })),
    says: /"a": its size is no number/,
  },
  {
    name: 'a directory with content',
    tar: aTar(anEntry({ name: 'a/', type: '5', content: 'x' })),
    says: /"a\/": it is a directory with content/,
  },
  {
    name: 'a path longer than any file system holds',
    tar: aTar(paxHeader({ path: `${'a/'.repeat(2100)}a` }), aFile('b')),
    says: /longer than 4096 bytes/,
  },
  {
    name: 'a name longer than any file system holds',
    tar: aTar(paxHeader({ path: 'a'.repeat(256) }), aFile('b')),
    says: /name longer than 255 bytes/,
  },
];

/** Every archive that a store must refuse. */
export const HOSTILE_ARCHIVES: readonly HostileArchive[] = [
  ...BAD_PATHS.map(([name, path, says]) => ({
    name,
    tar: aTar(anEntry({ name: path, content: 'x' })),
    says,
  })),
  ...BAD_LINKS,
  ...BAD_KINDS.map(([name, type, says]) => ({
    name,
    tar: aTar(anEntry({ name: 'usr/app/odd', type })),
    says: new RegExp(`"usr/app/odd": it .*${says.source}`),
  })),
  ...DUPLICATES.map(([name, ...entries]) => ({
    name,
    tar: aTar(...entries),
    says: /"a": it is there twice/,
  })),
  ...BAD_PAX,
  ...BAD_BYTES,
];
