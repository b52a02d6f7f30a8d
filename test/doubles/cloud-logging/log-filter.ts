import { invalidArgument } from '../google-api/api-status.ts';
import { holds, ordered, parseTimestamp } from '../google-api/comparing.ts';
import { type Comparison, compileFilter, parseFilter } from '../google-api/filter.ts';
import type { StoredEntry } from './entries.ts';
import { SEVERITIES } from './entries.ts';

const MAX_LENGTH = 20_000;
const RANKED: readonly string[] = SEVERITIES;

/** A predicate of a filter in the language of Cloud Logging, the part the README names. Throws ApiStatus INVALID_ARGUMENT. */
export function compileLogFilter(text: string): (entry: StoredEntry) => boolean {
  if (text.length > MAX_LENGTH) {
    throw invalidArgument(`The filter is longer than ${MAX_LENGTH} characters.`);
  }
  return compileFilter(parseFilter(text, { juxtaposition: true }), meaning);
}

function meaning({ path, operator, value }: Comparison): (entry: StoredEntry) => boolean {
  const field = path.join('.').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (field === 'timestamp' || field === 'receive_timestamp') {
    const time = parseTimestamp(value);
    return field === 'timestamp'
      ? (entry) => holds(operator, ordered(entry.timestamp, time))
      : (entry) => holds(operator, ordered(entry.received, time));
  }
  if (field === 'severity') {
    const rank = rankOf(value);
    return (entry) => holds(operator, rankOf(entry.severity) - rank);
  }
  const read = textField(path, field);
  return (entry) => compared(read(entry), operator, value);
}

function textField(path: readonly string[], field: string) {
  const [first, second, third] = path;
  if (field === 'insert_id') return (entry: StoredEntry) => entry.insertId;
  if (field === 'log_name') return (entry: StoredEntry) => entry.logName;
  if (field === 'text_payload') return (entry: StoredEntry) => entry.text;
  if (field === 'json_payload.message') return (entry: StoredEntry) => entry.message;
  if (field === 'resource.type') return (entry: StoredEntry) => entry.resource.type;
  if (first === 'resource' && second === 'labels' && third !== undefined && path.length === 3) {
    return (entry: StoredEntry) => entry.resource.labels[third];
  }
  if (first === 'labels' && second !== undefined) {
    const label = path.slice(1).join('.');
    return (entry: StoredEntry) => entry.labels[label];
  }
  throw invalidArgument(
    `Unparseable filter: this double does not know the field ${path.join('.')}.`,
  );
}

/** Equality and `:` (contains) ignore case; a field that is not there satisfies only `!=`. */
function compared(
  actual: string | undefined,
  operator: Comparison['operator'],
  value: string,
): boolean {
  if (actual === undefined) return operator === '!=';
  if (operator === ':') {
    return value === '*' || actual.toLowerCase().includes(value.toLowerCase());
  }
  if (operator === '=' || operator === '!=') {
    return holds(operator, ordered(actual.toLowerCase(), value.toLowerCase()));
  }
  return holds(operator, ordered(actual, value));
}

function rankOf(severity: string): number {
  const rank = RANKED.indexOf(severity.toUpperCase());
  if (rank === -1) throw invalidArgument(`Unparseable filter: no severity ${severity}.`);
  return rank;
}
