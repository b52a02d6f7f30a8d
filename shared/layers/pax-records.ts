import { layerInvalid } from './layer-errors.ts';

/** What an extended header says about the next entry. */
export interface PaxRecords {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

const HARMLESS = new Set(['mtime', 'atime', 'ctime', 'uid', 'gid', 'uname', 'gname', 'comment']);
const SPACE = 0x20;
const NEWLINE = 0x0a;
const MAX_LENGTH_DIGITS = 7;

/**
 * Reads an extended header strictly, so that no two tar readers can understand it differently: exact lengths, each
 * keyword once, no empty value, no NUL, known keywords only. Throws AppError LAYER_INVALID.
 */
export function parsePaxRecords(bytes: Uint8Array): PaxRecords {
  const records = new Map<string, string>();
  let offset = 0;
  while (offset < bytes.length) {
    const length = recordLength(bytes, offset);
    addRecord(records, bytes.subarray(offset, offset + length));
    offset += length;
  }
  return toPaxRecords(records);
}

function recordLength(bytes: Uint8Array, offset: number): number {
  const head = String.fromCharCode(...bytes.subarray(offset, offset + MAX_LENGTH_DIGITS + 1));
  const digits = /^([1-9]\d*) /.exec(head)?.[1] ?? '';
  const length = Number(digits);
  const end = offset + length;
  if (length > digits.length + 1 && end <= bytes.length && bytes[end - 1] === NEWLINE)
    return length;
  throw layerInvalid('an extended (pax) header has a record of a wrong length');
}

function addRecord(records: Map<string, string>, record: Uint8Array): void {
  const text = decodeName(record.subarray(record.indexOf(SPACE) + 1, -1));
  const equals = text.indexOf('=');
  const keyword = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (equals < 1 || value === '' || text.includes('\0')) {
    throw layerInvalid('an extended (pax) header has a record without keyword or value');
  }
  if (records.has(keyword)) {
    throw layerInvalid(`an extended (pax) header gives ${keyword} twice`);
  }
  records.set(keyword, value);
}

function toPaxRecords(records: ReadonlyMap<string, string>): PaxRecords {
  const result: { path?: string; linkpath?: string; size?: number } = {};
  for (const [keyword, value] of records) {
    if (keyword === 'path' || keyword === 'linkpath') result[keyword] = value;
    else if (keyword === 'size') result.size = parseSize(value);
    else if (!HARMLESS.has(keyword)) {
      throw layerInvalid('an extended (pax) header has a keyword that is not accepted', keyword);
    }
  }
  return result;
}

function parseSize(value: string): number {
  if (/^(0|[1-9]\d{0,14})$/.test(value)) return Number(value);
  throw layerInvalid('an extended (pax) header has a size that is no number', value);
}

/** Text of a name in an archive. Throws AppError LAYER_INVALID when it is not UTF-8. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw layerInvalid('a name is not valid UTF-8', String.fromCharCode(...bytes.subarray(0, 200)));
  }
}
