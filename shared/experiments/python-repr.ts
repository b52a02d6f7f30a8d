import type { JsonValue } from './json-value.ts';
import { pythonFloat } from './python-number.ts';

/** The text of a value as Python's `str` gives it: strings raw, all else as `pythonRepr`. */
export function pythonStr(value: JsonValue): string {
  return typeof value === 'string' ? value : pythonRepr(value);
}

/** A value in Python notation: `[1, 'x', True, None]`. */
export function pythonRepr(value: JsonValue): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return pythonFloat(value);
  switch (value.kind) {
    case 'integer':
      return value.digits;
    case 'list':
      return `[${value.items.map(pythonRepr).join(', ')}]`;
    case 'object':
      return `{${value.members.map(({ key, value: inner }) => `${quoted(key)}: ${pythonRepr(inner)}`).join(', ')}}`;
  }
}

// What Python's str.isprintable denies: control, format, surrogate, private, unassigned and separators but the blank.
const ESCAPED_IN_DOUBLE = /[\\]|(?! )[\p{C}\p{Z}]/gu;
const ESCAPED_IN_SINGLE = /['\\]|(?! )[\p{C}\p{Z}]/gu;

function quoted(text: string): string {
  return text.includes("'") && !text.includes('"')
    ? `"${text.replace(ESCAPED_IN_DOUBLE, escaped)}"`
    : `'${text.replace(ESCAPED_IN_SINGLE, escaped)}'`;
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ["'", "\\'"],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

function escaped(character: string): string {
  const short = SHORT.get(character);
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
