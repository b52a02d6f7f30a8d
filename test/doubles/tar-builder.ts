import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { LayerDeclaration, LayerEncoding } from '../../functions/ports/layer-store.ts';

/** Header fields of one entry, as raw as a test wants them. Numbers are written in octal. */
export interface TarFields {
  readonly name: string | Uint8Array;
  readonly type?: string;
  readonly content?: string | Uint8Array;
  readonly linkName?: string | Uint8Array;
  readonly mode?: number;
  readonly prefix?: string;
  /** The size field when it is to differ from the content: a number, or the bytes of the field. */
  readonly size?: number | Uint8Array;
  readonly magic?: string;
  /** Raw bytes over any part of the header, before the checksum is computed. */
  readonly patch?: { readonly at: number; readonly bytes: Uint8Array };
  /** A wrong checksum. */
  readonly breakChecksum?: boolean;
}

const BLOCK = 512;
const encoder = new TextEncoder();

/** A file entry. */
export function aFile(name: string, content: string | Uint8Array = '', mode = 0o644): Uint8Array {
  return anEntry({ name, content, mode });
}

/** A directory entry. */
export function aDirectory(name: string): Uint8Array {
  return anEntry({ name: `${name}/`, type: '5', mode: 0o755 });
}

/** A symbolic link entry. */
export function aSymlink(name: string, linkName: string): Uint8Array {
  return anEntry({ name, type: '2', linkName, mode: 0o777 });
}

/** A hard link entry. */
export function aHardlink(name: string, linkName: string): Uint8Array {
  return anEntry({ name, type: '1', linkName });
}

/** Extended header records, each with its right length, in front of whatever entry comes next. */
export function paxHeader(records: Readonly<Record<string, string>>): Uint8Array {
  const lines = Object.entries(records).map(([keyword, value]) => paxRecord(keyword, value));
  return rawPaxHeader(Buffer.concat(lines));
}

/** An extended header with any content. */
export function rawPaxHeader(content: string | Uint8Array): Uint8Array {
  return anEntry({ name: 'PaxHeader', type: 'x', content });
}

/** A GNU long name (`L`) or long link (`K`) header. */
export function gnuLong(type: 'L' | 'K', text: string): Uint8Array {
  return anEntry({ name: '././@LongLink', type, content: `${text}\0`, magic: 'ustar  \0' });
}

/** Header and padded content of one entry. */
export function anEntry(fields: TarFields): Uint8Array {
  const content = toBytes(fields.content ?? '');
  const padding = (BLOCK - (content.length % BLOCK)) % BLOCK;
  return Buffer.concat([header(fields, content.length), content, Buffer.alloc(padding)]);
}

/** An archive of these entries with the two zero blocks at its end. */
export function aTar(...entries: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]);
}

/** Bare hex sha256. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A blob of a tar and the declaration that goes with it. */
export interface BuiltLayer {
  readonly tar: Uint8Array;
  readonly blob: Uint8Array;
  readonly declaration: LayerDeclaration;
}

/** A tar as a layer, truthfully declared but for `lies`. */
export function aLayer(
  tar: Uint8Array,
  encoding: LayerEncoding = 'gzip',
  lies: Partial<LayerDeclaration> = {},
): BuiltLayer {
  return withBlob(tar, encode(tar, encoding), { encoding, ...lies });
}

/** A tar with a blob of the test's own making. */
export function withBlob(
  tar: Uint8Array,
  blob: Uint8Array,
  lies: Partial<LayerDeclaration>,
): BuiltLayer {
  const truth = { diffId: sha256(tar), blobSize: blob.length, uncompressedSize: tar.length };
  return { tar, blob, declaration: { encoding: 'gzip', ...truth, ...lies } };
}

function encode(tar: Uint8Array, encoding: LayerEncoding): Uint8Array {
  if (encoding === 'identity') return tar;
  return encoding === 'gzip' ? gzipSync(tar) : zstdCompressSync(tar);
}

function header(fields: TarFields, contentLength: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  block.set(toBytes(fields.name).subarray(0, 100), 0);
  block.set(octal(fields.mode ?? 0o644, 8), 100);
  block.set(octal(1000, 8), 108);
  block.set(octal(1000, 8), 116);
  const size = fields.size ?? contentLength;
  block.set(typeof size === 'number' ? octal(size, 12) : size, 124);
  block.set(octal(0, 12), 136);
  block.set(toBytes(fields.type ?? '0'), 156);
  block.set(toBytes(fields.linkName ?? '').subarray(0, 100), 157);
  block.set(toBytes(fields.magic ?? 'ustar\x0000'), 257);
  block.set(toBytes(fields.prefix ?? ''), 345);
  if (fields.patch !== undefined) block.set(fields.patch.bytes, fields.patch.at);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, fields.breakChecksum ? 1 : 0);
  block.set(toBytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return block;
}

function octal(value: number, width: number): Uint8Array {
  return toBytes(`${value.toString(8).padStart(width - 1, '0')}\0`);
}

function paxRecord(keyword: string, value: string): Uint8Array {
  const rest = toBytes(` ${keyword}=${value}\n`);
  let length = rest.length;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([toBytes(`${length}`), rest]);
}

function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? encoder.encode(value) : value;
}
