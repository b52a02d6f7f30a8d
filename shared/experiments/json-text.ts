import { nextToken, scanNumber, scanString } from './json-scan.ts';
import {
  A_KEY,
  A_VALUE,
  type Cursor,
  createCursor,
  syntaxError,
  unexpectedAt,
} from './json-syntax-error.ts';
import type { JsonDocument, JsonList, JsonMember, JsonObject, JsonValue } from './json-value.ts';
import { addMember, type MemberList } from './member-list.ts';

/** Deepest nesting of lists and objects that is read. */
export const MAX_JSON_DEPTH = 200;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Reads JSON with line comments (`#` or `//`, outside of strings, to the end of the line). Nothing else
 * is added to JSON: no trailing commas, block comments, NaN or byte order mark. Numbers keep Python's
 * meaning: integers all digits, floats as floats. Time grows with the length of the text only.
 * `subject` names the text in messages ("experiment config"). Throws CONFIG_SYNTAX with line and column.
 */
export function parseCommentedJson(text: string, subject = 'JSON text'): JsonDocument {
  const cursor = createCursor(text, subject);
  if (Number.isNaN(nextToken(cursor))) {
    throw syntaxError(cursor, 0, {
      message: 'there is nothing in it',
      hint: 'Write at least an empty object: {}.',
    });
  }
  const rootOffset = cursor.at;
  const root = parseValue(cursor);
  if (!Number.isNaN(nextToken(cursor))) throw unexpectedAt(cursor, 'the end of the text');
  return { text, root, rootOffset };
}

/** Reads the value at the cursor, which must stand on its first character. */
function parseValue(cursor: Cursor): JsonValue {
  const unit = cursor.text.charCodeAt(cursor.at);
  if (unit === QUOTE) return scanString(cursor);
  if (unit === 0x2d || (unit >= 0x30 && unit <= 0x39)) return scanNumber(cursor);
  if (unit === OPEN_LIST) return nested(cursor, parseList);
  if (unit === OPEN_OBJECT) return nested(cursor, parseObject);
  return parseWord(cursor);
}

function parseWord(cursor: Cursor): boolean | null {
  const word = /^\w*/.exec(cursor.text.slice(cursor.at, cursor.at + 6))?.[0] ?? '';
  if (word !== 'true' && word !== 'false' && word !== 'null') throw unexpectedAt(cursor, A_VALUE);
  cursor.at += word.length;
  return word === 'null' ? null : word === 'true';
}

function nested<T>(cursor: Cursor, parse: (cursor: Cursor) => T): T {
  if (++cursor.depth > MAX_JSON_DEPTH) {
    throw syntaxError(cursor, cursor.at, {
      message: `lists and objects are nested more than ${MAX_JSON_DEPTH} deep`,
      hint: `Nest at most ${MAX_JSON_DEPTH} lists and objects in each other.`,
    });
  }
  const value = parse(cursor);
  cursor.depth--;
  return value;
}

function parseList(cursor: Cursor): JsonList {
  const offset = cursor.at++;
  const items: JsonValue[] = [];
  if (nextToken(cursor) === CLOSE_LIST) cursor.at++;
  else {
    do {
      nextToken(cursor);
      items.push(parseValue(cursor));
    } while (continues(cursor, offset, CLOSE_LIST));
  }
  return { kind: 'list', items: fitted(items), offset };
}

/** Where in the text each item of the list starts. Reads the list again: positions are rarely needed. */
export function itemOffsets(text: string, list: JsonList): number[] {
  const cursor = createCursor(text, '');
  cursor.at = list.offset + 1;
  return list.items.map(() => {
    nextToken(cursor);
    const offset = cursor.at;
    parseValue(cursor);
    nextToken(cursor);
    cursor.at++;
    return offset;
  });
}

function parseObject(cursor: Cursor): JsonObject {
  const opening = cursor.at++;
  const list: MemberList = { members: [], index: undefined };
  if (nextToken(cursor) === CLOSE_OBJECT) cursor.at++;
  else {
    do addMember(list, parseMember(cursor));
    while (continues(cursor, opening, CLOSE_OBJECT));
  }
  return { kind: 'object', members: fitted(list.members) };
}

function parseMember(cursor: Cursor): JsonMember {
  if (nextToken(cursor) !== QUOTE) throw unexpectedAt(cursor, A_KEY);
  const keyOffset = cursor.at;
  const key = sharedKey(cursor.keys, scanString(cursor));
  if (nextToken(cursor) !== COLON) throw unexpectedAt(cursor, 'a colon after the key');
  cursor.at++;
  nextToken(cursor);
  const valueOffset = cursor.at;
  return { key, value: parseValue(cursor), keyOffset, valueOffset };
}

const MOST_SHARED_KEYS = 10_000;

// A list of a million configs has the same few keys a million times; one string each is enough.
function sharedKey(keys: Map<string, string>, key: string): string {
  const known = keys.get(key);
  if (known !== undefined) return known;
  if (keys.size < MOST_SHARED_KEYS) keys.set(key, key);
  return key;
}

// Growing an array by `push` reserves 17 places; millions of small ones would take gigabytes.
function fitted<T>(items: readonly T[]): readonly T[] {
  return items.length < 17 ? items.slice() : items;
}

/** After an item: true over a comma, false over the closing bracket. */
function continues(cursor: Cursor, opening: number, closing: number): boolean {
  const unit = nextToken(cursor);
  const comma = cursor.at;
  if (unit === closing) {
    cursor.at++;
    return false;
  }
  if (unit !== COMMA) throw notContinued(cursor, opening, closing);
  cursor.at++;
  const following = nextToken(cursor);
  if (following === CLOSE_LIST || following === CLOSE_OBJECT) {
    throw syntaxError(cursor, comma, {
      message: `there is a comma before the closing ${String.fromCharCode(following)}`,
      hint: 'Remove this comma.',
    });
  }
  return true;
}

function notContinued(cursor: Cursor, opening: number, closing: number) {
  const bracket = String.fromCharCode(closing);
  if (cursor.at < cursor.text.length) return unexpectedAt(cursor, `a comma or ${bracket}`);
  const what = closing === CLOSE_LIST ? 'list' : 'object';
  return syntaxError(cursor, opening, {
    message: `this ${what} is not closed`,
    hint: `Add ${bracket} at its end.`,
  });
}
