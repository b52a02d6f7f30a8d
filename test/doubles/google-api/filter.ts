import { type ApiStatus, invalidArgument } from './api-status.ts';

/** One comparison of a filter: `labels.a="b"` has path ['labels', 'a'], operator '=' and value 'b'. */
export interface Comparison {
  readonly path: readonly string[];
  readonly operator: Operator;
  readonly value: string;
}

export type Operator = (typeof OPERATORS)[number];

/** A filter in tree form; all of no parts is the empty filter, which everything matches. */
export type Filter =
  | { readonly kind: 'all' | 'any'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | { readonly kind: 'compare'; readonly comparison: Comparison };

/** What an API gives a meaning to: throws ApiStatus for comparisons that it does not know. */
export type Meaning<Item> = (comparison: Comparison) => (item: Item) => boolean;

export interface FilterGrammar {
  /** Whether `a=1 b=2` is `a=1 AND b=2`. */
  readonly juxtaposition: boolean;
}

const OPERATORS = ['<=', '>=', '!=', '=', '<', '>', ':'] as const;
const SPACE = /\s+/y;
const WORD = /(AND|OR|NOT)(?=[\s(]|$)/y;
const SEGMENT = /[\p{L}\p{N}_-]+|"(?:[^"\\]|\\.)*"/uy;
const OPERATOR = /<=|>=|!=|=|<|>|:/y;
const VALUE = /"(?:[^"\\]|\\.)*"|[^\s()"]+/y;

/**
 * Parses a filter of Google's list methods (https://google.aip.dev/160, read 2026-12): comparisons, AND, OR, NOT (or `-`) and parentheses.
 * OR binds tighter than AND. Throws ApiStatus INVALID_ARGUMENT with the place of the fault.
 */
export function parseFilter(text: string, grammar: FilterGrammar): Filter {
  const reader = createReader(text);
  if (reader.atEnd()) return { kind: 'all', parts: [] };
  const filter = readSequence(reader, grammar);
  if (!reader.atEnd()) throw reader.fault('the end');
  return filter;
}

/** A predicate of a filter; every comparison is given its meaning first, so that unknown fields are refused whatever the items. */
export function compileFilter<Item>(
  filter: Filter,
  meaning: Meaning<Item>,
): (item: Item) => boolean {
  if (filter.kind === 'compare') return meaning(filter.comparison);
  if (filter.kind === 'not') {
    const part = compileFilter(filter.part, meaning);
    return (item) => !part(item);
  }
  const parts = filter.parts.map((part) => compileFilter(part, meaning));
  if (filter.kind === 'all') return (item) => parts.every((part) => part(item));
  return (item) => parts.some((part) => part(item));
}

interface Reader {
  atEnd(): boolean;
  /** The text of the pattern if it comes next, after blanks. */
  take(pattern: RegExp): string | undefined;
  fault(expected: string): ApiStatus;
}

function createReader(text: string): Reader {
  let at = 0;
  function take(pattern: RegExp): string | undefined {
    if (pattern !== SPACE) take(SPACE);
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined) at = pattern.lastIndex;
    return found;
  }
  return {
    take,
    atEnd() {
      take(SPACE);
      return at === text.length;
    },
    fault: (expected) =>
      invalidArgument(`Invalid filter: expected ${expected} at position ${at} of: ${text}`),
  };
}

function readSequence(reader: Reader, grammar: FilterGrammar): Filter {
  const parts = [readAlternatives(reader, grammar)];
  while (!reader.atEnd()) {
    if (reader.take(/(?=\))/y) !== undefined) break;
    const and = reader.take(/AND(?=[\s(]|$)/y);
    if (and === undefined && !grammar.juxtaposition) throw reader.fault('AND, OR or the end');
    parts.push(readAlternatives(reader, grammar));
  }
  return one('all', parts);
}

function readAlternatives(reader: Reader, grammar: FilterGrammar): Filter {
  const parts = [readTerm(reader, grammar)];
  while (reader.take(/OR(?=[\s(]|$)/y) !== undefined) parts.push(readTerm(reader, grammar));
  return one('any', parts);
}

function readTerm(reader: Reader, grammar: FilterGrammar): Filter {
  if (reader.take(/NOT(?=[\s(]|$)|-(?=\S)/y) !== undefined) {
    return { kind: 'not', part: readTerm(reader, grammar) };
  }
  if (reader.take(/\(/y) === undefined) {
    return { kind: 'compare', comparison: readComparison(reader) };
  }
  const inner = readSequence(reader, grammar);
  if (reader.take(/\)/y) === undefined) throw reader.fault("')'");
  return inner;
}

function readComparison(reader: Reader): Comparison {
  if (reader.take(WORD) !== undefined) throw reader.fault('a field before this place');
  const path: string[] = [];
  do {
    const segment = reader.take(SEGMENT);
    if (segment === undefined) throw reader.fault('a field');
    path.push(unquoted(segment));
  } while (reader.take(/\./y) !== undefined);
  const found = reader.take(OPERATOR);
  const operator = OPERATORS.find((known) => known === found);
  if (operator === undefined) throw reader.fault('an operator');
  const isKeyword = reader.take(WORD) !== undefined;
  const value = reader.take(VALUE);
  if (isKeyword || value === undefined) throw reader.fault('a value');
  return { path, operator, value: unquoted(value) };
}

function one(kind: 'all' | 'any', parts: readonly Filter[]): Filter {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind, parts };
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
}
