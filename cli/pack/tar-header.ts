import { TAR_BLOCK, tarPadding } from '../../shared/layers/tar-header.ts';
import { type TreeEntry, tarName } from './layer-tree.ts';

const NAME_LENGTH = 100;
const MAX_OCTAL_SIZE = 0o77777777777;

/** 1000 in octal: uid and gid of the fixed user of our images. */
const OWNER = '0001750\0';

/**
 * The header of an entry: one ustar block, after a pax record where a name is long or not ASCII or a size needs more
 * than 33 bits. The same entry gives the same bytes on every machine: fixed time, owner and modes.
 */
export function tarHeader(entry: TreeEntry): Buffer {
  const name = tarName(entry);
  const target = entry.kind === 'symlink' ? entry.target : '';
  const size = entry.kind === 'file' ? entry.size : 0;
  const records = [
    fitsUstar(name) ? '' : paxRecord('path', name),
    fitsUstar(target) ? '' : paxRecord('linkpath', target),
    size <= MAX_OCTAL_SIZE ? '' : paxRecord('size', String(size)),
  ].join('');
  const header = ustar({ name, target, size, mode: modeOf(entry), type: TYPES[entry.kind] });
  return records === '' ? header : Buffer.concat([paxBlocks(records), header]);
}

const TYPES = { file: '0', symlink: '2', directory: '5' } as const;

function modeOf(entry: TreeEntry): string {
  if (entry.kind === 'symlink') return '0000777\0';
  return entry.kind === 'directory' || entry.executable ? '0000755\0' : '0000644\0';
}

function fitsUstar(text: string): boolean {
  return text.length <= NAME_LENGTH && /^[\x20-\x7e]*$/.test(text);
}

/** A record's length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function paxBlocks(records: string): Buffer {
  const content = Buffer.from(records);
  const header = ustar({
    name: 'PaxHeader',
    target: '',
    size: content.length,
    mode: '0000644\0',
    type: 'x',
  });
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length))]);
}

interface UstarFields {
  readonly name: string;
  readonly target: string;
  readonly size: number;
  readonly mode: string;
  readonly type: string;
}

function ustar(fields: UstarFields): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  // Buffer.write cuts at the limit without splitting a character; the pax record holds what was cut.
  block.write(fields.name, 0, NAME_LENGTH);
  block.write(fields.mode + OWNER + OWNER, 100, 'latin1');
  const size = fields.size <= MAX_OCTAL_SIZE ? fields.size : 0;
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write('        ', 148, 'latin1');
  block.write(fields.type, 156, 'latin1');
  block.write(fields.target, 157, NAME_LENGTH);
  block.write('ustar\x0000', 257, 'latin1');
  block.write('0000000\x000000000\0', 329, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
