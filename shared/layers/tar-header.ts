import { layerInvalid } from './layer-errors.ts';
import { shownName } from './tar-name.ts';

/** One 512-byte header block, read strictly. Names are views into the block. */
export interface TarHeader {
  /** Not decoded: where an extension header has the name, this one may be cut within a character. */
  readonly name: Uint8Array;
  readonly type: string;
  readonly linkName: Uint8Array;
  readonly size: number;
  readonly mode: number;
}

/** Bytes of a tar block; everything in a tar is padded to it. */
export const TAR_BLOCK = 512;

/** Bytes that pad `length` bytes of content to whole blocks. */
export function tarPadding(length: number): number {
  return (TAR_BLOCK - (length % TAR_BLOCK)) % TAR_BLOCK;
}

const SLASH = 0x2f;
const SPACE = 0x20;
const CHECKSUM_AT = 148;
const FLAVOUR_AT = 257;
const GNU_FLAVOUR = new TextEncoder().encode('ustar  \0');
const POSIX_FLAVOUR = new TextEncoder().encode('ustar\x0000');

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

function fullName(block: Uint8Array): Uint8Array {
  const name = text(block, 0, 100);
  if (hasFlavour(block, GNU_FLAVOUR)) {
    if (isZeros(block.subarray(345))) return name;
    throw layerInvalid('its header has fields of an old GNU format', shownName(name));
  }
  if (!hasFlavour(block, POSIX_FLAVOUR)) {
    throw layerInvalid('its header is neither in POSIX ustar nor in GNU format', shownName(name));
  }
  if (!isZeros(block.subarray(500))) {
    throw layerInvalid('its header has bytes behind the last field', shownName(name));
  }
  const prefix = text(block, 345, 155);
  return prefix.length === 0 ? name : Uint8Array.from([...prefix, SLASH, ...name]);
}

function hasFlavour(block: Uint8Array, flavour: Uint8Array): boolean {
  return flavour.every((byte, i) => block[FLAVOUR_AT + i] === byte);
}

function size(block: Uint8Array, name: Uint8Array): number {
  const value = block[124] === 0x80 ? base256(block, 125, 11) : octal(block, 124, 12);
  if (value !== undefined && Number.isSafeInteger(value)) return value;
  throw layerInvalid('its size is no number', shownName(name));
}

function text(block: Uint8Array, offset: number, length: number): Uint8Array {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  if (end === -1) return field;
  const value = field.subarray(0, end);
  if (isZeros(field.subarray(end))) return value;
  throw layerInvalid('a name has bytes behind a NUL', shownName(value));
}

function octal(block: Uint8Array, offset: number, length: number): number | undefined {
  const end = offset + length;
  let at = offset;
  while (at < end && block[at] === SPACE) at++;
  const first = at;
  let value = 0;
  for (let digit = octalDigit(block[at]); at < end && digit >= 0; digit = octalDigit(block[at])) {
    value = value * 8 + digit;
    at++;
  }
  const rest = block.subarray(at, end);
  return at > first && rest.every((byte) => byte === SPACE || byte === 0) ? value : undefined;
}

function octalDigit(byte = 0): number {
  return byte >= 0x30 && byte <= 0x37 ? byte - 0x30 : -1;
}

function base256(block: Uint8Array, offset: number, length: number): number {
  return block.subarray(offset, offset + length).reduce((value, byte) => value * 256 + byte, 0);
}

function checksum(block: Uint8Array): number {
  let sum = 8 * SPACE;
  for (let i = 0; i < TAR_BLOCK; i++) {
    if (i < CHECKSUM_AT || i >= CHECKSUM_AT + 8) sum += block[i] ?? 0;
  }
  return sum;
}
