import { TAR_BLOCK } from '../../../shared/layers/tar-header.ts';

/** An entry of an archive that we write. */
export interface TarEntry {
  /** At most 100 characters of ASCII. */
  readonly name: string;
  readonly size: number;
  /** `extension`: pax records of the entry behind it. */
  readonly kind: keyof typeof TYPE;
  /** In octal, as in `644`. */
  readonly mode: string;
  /** User and group. */
  readonly owner: number;
}

const TYPE = { file: '0', directory: '5', extension: 'x' } as const;
const MAX_OCTAL_SIZE = 0o77777777777;

/**
 * A header of POSIX ustar; the same entry makes the same bytes. A size of 8 GiB or more is in base 256, which Go's reader takes as GNU
 * tar's does.
 */
export function tarHeader({ name, size, kind, mode, owner }: TarEntry): Uint8Array {
  const block = Buffer.alloc(TAR_BLOCK);
  block.write(name, 0, 100, 'latin1');
  block.write(octal(Number.parseInt(mode, 8), 7), 100, 'latin1');
  block.write(octal(owner, 7), 108, 'latin1');
  block.write(octal(owner, 7), 116, 'latin1');
  if (size <= MAX_OCTAL_SIZE) block.write(octal(size, 11), 124, 'latin1');
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write(octal(0, 11), 136, 'latin1');
  block.write(' '.repeat(8), 148, 'latin1');
  block.write(TYPE[kind], 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)} `, 148, 'latin1');
  return block;
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')}\0`;
}
