import { gzipSync } from 'node:zlib';
import type { LayerDeclaration } from '../../../functions/ports/layer-store.ts';
import { LIMITS } from '../../../shared/api/limits.ts';
import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import {
  aFile,
  aHardlink,
  aLayer,
  anEntry,
  aSymlink,
  aTar,
  type BuiltLayer,
  paxHeader,
  sha256,
  withBlob,
} from '../../doubles/tar-builder.ts';
import type { HostileCase } from './hostile-case.ts';

const MIB = 1024 * 1024;
const SOUND = aTar(aFile('usr/app/sound.py', 'pass'));
const BOMB = aTar(aFile('usr/app/evil', Buffer.alloc(64 * MIB)));

/** Layers that lie about themselves, and archives that would reach out of where they are unpacked. */
export const LAYER_CASES: readonly HostileCase[] = [
  {
    name: 'a submission of a layer that was refused',
    code: 'LAYER_INVALID',
    says: 'was refused',
    async send({ upload, submit }) {
      const refused = aLayer(aTar(aFile('../evil.txt')));
      await upload(refused);
      return submit({ codeLayers: [refused.declaration.diffId] });
    },
  },
  layer(
    'a wrong digest',
    aLayer(SOUND, 'gzip', { diffId: sha256(Buffer.from('other')) }),
    'sha256',
  ),
  layer(
    'more bytes than declared',
    aLayer(SOUND, 'gzip', { ...lie('1'), uncompressedSize: 512 }),
    '512',
  ),
  layer(
    'fewer bytes than declared',
    aLayer(SOUND, 'gzip', { ...lie('2'), uncompressedSize: 99_999 }),
    '99999',
  ),
  layer(
    'another encoding than declared',
    aLayer(SOUND, 'identity', { ...lie('3'), encoding: 'gzip' }),
    'Layer refused',
  ),
  layer(
    'zstd declared, gzip sent',
    withBlob(SOUND, gzipSync(SOUND), { ...lie('4'), encoding: 'zstd' }),
    'Layer refused',
  ),
  layer('a gzip bomb', withBlob(BOMB, gzipSync(BOMB), { uncompressedSize: 2_048 }), '2048'),
  layer(
    'a cut gzip stream',
    withBlob(SOUND, gzipSync(SOUND).subarray(0, -9), lie('5')),
    'Layer refused',
  ),
  layer(
    'bytes behind the gzip stream',
    withBlob(SOUND, Buffer.concat([gzipSync(SOUND), Buffer.from('evil')]), lie('6')),
    'Layer refused',
  ),
  layer('bytes that are no archive', aLayer(Buffer.alloc(2_048, 'evil')), 'tar'),
  entry('a path with ..', aFile('usr/app/../../evil'), '..'),
  entry('a path that begins with ..', aFile('../evil'), '../evil'),
  entry('an absolute path', aFile('/evil'), '/evil'),
  entry('a path with .. in a pax header', paxed({ path: 'a/../../evil' }), '..'),
  entry('a path with a newline', aFile('usr/app/evil\n'), 'control'),
  entry('a path with an escape', aFile('usr/app/\u001bevil'), 'control'),
  entry('a name over 255 bytes', paxed({ path: `usr/app/${'e'.repeat(256)}` }), '255'),
  entry('a path over 4,096 bytes', paxed({ path: `usr/app/${'evil/'.repeat(900)}x` }), '4096'),
  entry('a name that is not UTF-8', anEntry({ name: Buffer.from([0x65, 0xff]) }), 'UTF-8'),
  entry('a link out of the code', aSymlink('usr/app/evil', '../evil'), '../evil'),
  entry('an absolute link', aSymlink('usr/app/evil', '/etc/passwd'), '/etc/passwd'),
  entry('a link that climbs behind a name', aSymlink('usr/app/evil', 'a/../../..'), 'a/../../..'),
  entry(
    'a file below a link',
    Buffer.concat([aSymlink('usr/app/evil', 'x'), aFile('usr/app/evil/y')]),
    'usr/app/evil/y',
  ),
  entry(
    'a file below a file',
    Buffer.concat([aFile('usr/app/evil'), aFile('usr/app/evil/y')]),
    'usr/app/evil/y',
  ),
  entry('a hard link to nothing', aHardlink('usr/app/evil', 'usr/app/none'), 'usr/app/none'),
  entry(
    'a hard link out of the archive',
    aHardlink('usr/app/evil', '../../etc/passwd'),
    '../../etc/passwd',
  ),
  entry('a character device', anEntry({ name: 'usr/app/evil', type: '3' }), 'usr/app/evil'),
  entry('a block device', anEntry({ name: 'usr/app/evil', type: '4' }), 'usr/app/evil'),
  entry('a fifo', anEntry({ name: 'usr/app/evil', type: '6' }), 'usr/app/evil'),
  entry(
    'the same file twice',
    Buffer.concat([aFile('usr/app/evil'), aFile('usr/app/evil', 'b')]),
    'twice',
  ),
  entry('a whiteout', aFile('usr/app/.wh.train.py'), '.wh.'),
  entry(
    'a size that is no number',
    anEntry({ name: 'usr/app/evil', size: Buffer.from('zzzzzzzzzzz\0') }),
    'usr/app/evil',
  ),
  entry(
    'a size beyond the archive',
    anEntry({ name: 'usr/app/evil', size: 0o7777777 }),
    'Layer refused',
  ),
  entry('a wrong checksum', anEntry({ name: 'usr/app/evil', breakChecksum: true }), 'checksum'),
  declared('no size', { blobSize: 0 }, 'blobSize'),
  declared('a negative size', { uncompressedSize: -1 }, '-1'),
  declared('a fraction of a byte', { blobSize: 1.5 }, '1.5'),
  declared('a size beyond all numbers', { blobSize: 1e300 }, 'blobSize'),
  declared(
    'a blob over the limit',
    { blobSize: LIMITS.layerBlobBytes + 1 },
    `${LIMITS.layerBlobBytes}`,
  ),
  declared(
    'content over the limit',
    { uncompressedSize: LIMITS.layerUncompressedBytes + 1 },
    `${LIMITS.layerUncompressedBytes}`,
  ),
  declared('a digest that is a path', { diffId: '../../evil' }, '../../evil'),
];

function lie(digit: string): Partial<LayerDeclaration> {
  return { diffId: `${sha256(Buffer.from(`lie ${digit}`)).slice(0, 62)}ee` };
}

function layer(name: string, built: BuiltLayer, says: string): HostileCase {
  const code: ErrorCode = 'LAYER_INVALID';
  return { name: `layer: ${name}`, code, says, send: ({ upload }) => upload(built) };
}

function entry(name: string, bytes: Uint8Array, says: string): HostileCase {
  return layer(name, aLayer(aTar(bytes)), says);
}

function paxed(records: Readonly<Record<string, string>>): Uint8Array {
  return Buffer.concat([paxHeader(records), aFile('usr/app/short')]);
}

function declared(name: string, lies: Partial<LayerDeclaration>, says: string): HostileCase {
  return {
    name: `declared: ${name}`,
    code: 'REQUEST_INVALID',
    says,
    send: ({ declare }) => declare(aLayer(SOUND, 'gzip', lies)),
  };
}
