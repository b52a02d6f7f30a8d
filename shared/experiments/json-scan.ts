import {
  A_VALUE,
  type Cursor,
  numberComplaint,
  syntaxError,
  unexpectedAt,
} from './json-syntax-error.ts';
import type { JsonInteger } from './json-value.ts';

const QUOTE = 0x22;
const HASH = 0x23;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

/** Moves over white space and comments (`#` or `//` up to `\n`); gives the next unit, NaN at the end. */
export function nextToken(cursor: Cursor): number {
  const { text } = cursor;
  for (;;) {
    const unit = text.charCodeAt(cursor.at);
    if (unit === SPACE || unit === 0x0a || unit === 0x0d || unit === 0x09) cursor.at++;
    else if (unit === HASH || (unit === SLASH && text.charCodeAt(cursor.at + 1) === SLASH)) {
      const lineEnd = text.indexOf('\n', cursor.at);
      cursor.at = lineEnd === -1 ? text.length : lineEnd;
    } else return unit;
  }
}

/** Reads the string whose opening quote is at the cursor. Lone surrogates are kept, as Python does. */
export function scanString(cursor: Cursor): string {
  const { text } = cursor;
  const opening = cursor.at;
  let value = '';
  let start = opening + 1;
  for (let at = start; ; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      cursor.at = at + 1;
      return value + text.slice(start, at);
    }
    if (unit === BACKSLASH) {
      value += text.slice(start, at);
      cursor.at = at;
      value += scanEscape(cursor);
      start = cursor.at;
      at = start - 1;
    } else if (!(unit >= SPACE)) throw brokenString(cursor, opening, at);
  }
}

function brokenString(cursor: Cursor, opening: number, at: number) {
  if (at >= cursor.text.length) {
    return syntaxError(cursor, opening, {
      message: 'this string has no closing quote',
      hint: 'Add a double quote at its end.',
    });
  }
  const unit = cursor.text.charCodeAt(at);
  const name = unit === 0x0a ? 'line break' : `control character U+${hex4(unit)}`;
  return syntaxError(cursor, at, {
    message: `a ${name} stands inside a string`,
    hint: `Close the string before it, or write it as ${JSON.stringify(String.fromCharCode(unit)).slice(1, -1)}.`,
  });
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

function scanEscape(cursor: Cursor): string {
  const { text, at } = cursor;
  const letter = text.charAt(at + 1);
  const plain = ESCAPES.get(letter);
  if (plain !== undefined) {
    cursor.at = at + 2;
    return plain;
  }
  const digits = text.slice(at + 2, at + 6);
  if (letter === 'u' && /^[0-9a-fA-F]{4}$/.test(digits)) {
    cursor.at = at + 6;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }
  throw syntaxError(cursor, at, {
    message: `${letter === 'u' ? '\\u without four hex digits' : `\\${letter}`} is not an escape`,
    hint: 'Write a backslash as \\\\; the escapes are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX.',
  });
}

/** Reads the number at the cursor: a float if it has a dot or an exponent, else an integer. */
export function scanNumber(cursor: Cursor): number | JsonInteger {
  const { text, at: start } = cursor;
  const integerStart = text.charCodeAt(start) === MINUS ? start + 1 : start;
  const integerEnd = skipInteger(text, integerStart);
  const fractionEnd = skipFraction(text, integerEnd);
  const end = skipExponent(text, fractionEnd);
  if (integerEnd === integerStart || continuesNumber(text.charCodeAt(end)))
    throw notANumber(cursor);
  cursor.at = end;
  const literal = text.slice(start, end);
  return end === integerEnd ? integerOf(literal) : Number(literal);
}

function notANumber(cursor: Cursor) {
  const word = /^[+\-.\w]*/.exec(cursor.text.slice(cursor.at, cursor.at + 60))?.[0] ?? '';
  if (!/\d/.test(word) && word !== '-') return unexpectedAt(cursor, A_VALUE);
  return syntaxError(cursor, cursor.at, numberComplaint(word));
}

function skipInteger(text: string, start: number): number {
  return text.charCodeAt(start) === ZERO ? start + 1 : skipDigits(text, start);
}

function skipFraction(text: string, start: number): number {
  if (text.charCodeAt(start) !== DOT) return start;
  const end = skipDigits(text, start + 1);
  return end === start + 1 ? start : end;
}

function skipExponent(text: string, start: number): number {
  if ((text.charCodeAt(start) | 0x20) !== 0x65) return start;
  const sign = text.charCodeAt(start + 1);
  const digits = sign === PLUS || sign === MINUS ? start + 2 : start + 1;
  const end = skipDigits(text, digits);
  return end === digits ? start : end;
}

function skipDigits(text: string, start: number): number {
  let at = start;
  while (isDigit(text.charCodeAt(at))) at++;
  return at;
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= 0x39;
}

function continuesNumber(unit: number): boolean {
  const letter = unit | 0x20;
  return (
    isDigit(unit) ||
    (letter >= 0x61 && letter <= 0x7a) ||
    unit === DOT ||
    unit === PLUS ||
    unit === MINUS ||
    unit === 0x5f
  );
}

// Long lists of small numbers are what large configs are made of; sharing them saves most of the memory.
const SHARED_INTEGERS = new Map<string, JsonInteger>();
const LONGEST_SHARED = 3;

function integerOf(literal: string): JsonInteger {
  const digits = literal === '-0' ? '0' : literal;
  if (digits.length > LONGEST_SHARED) return { kind: 'integer', digits };
  const known = SHARED_INTEGERS.get(digits);
  if (known) return known;
  const created: JsonInteger = { kind: 'integer', digits };
  SHARED_INTEGERS.set(digits, created);
  return created;
}

function hex4(unit: number): string {
  return unit.toString(16).toUpperCase().padStart(4, '0');
}
