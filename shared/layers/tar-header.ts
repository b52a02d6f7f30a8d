import { layerInvalid } from './layer-errors.ts';
import { decodeName } from './pax-records.ts';

/** One 512-byte header block, read strictly. */
export interface TarHeader {
  readonly name: string;
  readonly type: string;
  readonly linkName: string;
  readonly size: number;
  readonly mode: number;
}

/** Bytes of a tar block; everything in a tar is padded to it. */
export const TAR_BLOCK = 512;

const CHECKSUM_AT = 148;
const GNU_FLAVOUR = 'ustar  \0';
const POSIX_FLAVOUR = 'ustar\x0000';

/**
 * Reads a header block. Only what every reader understands alike is accepted: POSIX ustar or GNU magic, right
 * checksum, plain octal or positive base-256 numbers, nothing behind a NUL. Throws AppError LAYER_INVALID.
 */
export function parseTarHeader(block: Uint8Array): TarHeader {
  if (octal(block, CHECKSUM_AT, 8) !== checksum(block)) {
    throw layerInvalid('it is not a tar archive, or damaged: a header has a wrong checksum');
  }
  const name = fullName(block);
  return {
    name,
    type: String.fromCharCode(block[156] ?? 0),
    linkName: text(block, 157, 100),
    size: size(block, name),
    mode: octal(block, 100, 8) ?? 0,
  };
}

/** Whether a block holds nothing but zeros, as the two that end an archive do. */
export function isZeros(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

function fullName(block: Uint8Array): string {
  const name = text(block, 0, 100);
  const flavour = String.fromCharCode(...block.subarray(257, 265));
  if (flavour === GNU_FLAVOUR) {
    if (isZeros(block.subarray(345))) return name;
    throw layerInvalid('its header has fields of an old GNU format', name);
  }
  if (flavour !== POSIX_FLAVOUR) {
    throw layerInvalid('its header is neither in POSIX ustar nor in GNU format', name);
  }
  if (!isZeros(block.subarray(500))) {
    throw layerInvalid('its header has bytes behind the last field', name);
  }
  const prefix = text(block, 345, 155);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function size(block: Uint8Array, name: string): number {
  const value = block[124] === 0x80 ? base256(block, 125, 11) : octal(block, 124, 12);
  if (value !== undefined && Number.isSafeInteger(value)) return value;
  throw layerInvalid('its size is no number', name);
}

function text(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  if (end === -1) return decodeName(field);
  const value = decodeName(field.subarray(0, end));
  if (isZeros(field.subarray(end))) return value;
  throw layerInvalid('a name has bytes behind a NUL', value);
}

function octal(block: Uint8Array, offset: number, length: number): number | undefined {
  const digits = String.fromCharCode(...block.subarray(offset, offset + length));
  return /^ *[0-7]+[ \0]*$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function base256(block: Uint8Array, offset: number, length: number): number {
  return block.subarray(offset, offset + length).reduce((value, byte) => value * 256 + byte, 0);
}

function checksum(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < TAR_BLOCK; i++) {
    if (i < CHECKSUM_AT || i >= CHECKSUM_AT + 8) sum += block[i] ?? 0;
  }
  return sum;
}
