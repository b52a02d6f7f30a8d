import type { JsonValue } from './json-value.ts';
import { pythonJson } from './python-json.ts';

const LONGEST_TEXT = 60;
const MOST_ITEMS = 4;

/** A short one-line text of a value for messages; long strings, lists and objects are cut with `…`. */
export function valuePreview(value: JsonValue): string {
  return preview(value, 2);
}

function preview(value: JsonValue, depth: number): string {
  if (typeof value === 'string') return clipped(JSON.stringify(value.slice(0, LONGEST_TEXT + 1)));
  if (value === null || typeof value !== 'object') return pythonJson(value);
  if (value.kind === 'integer') return clipped(value.digits);
  if (value.kind === 'list') {
    const shown = depth > 0 ? value.items.slice(0, MOST_ITEMS) : [];
    const entries = shown.map((item) => preview(item, depth - 1));
    return `[${entries.join(', ')}${more(entries.length, value.items.length)}]`;
  }
  const shown = depth > 0 ? value.members.slice(0, MOST_ITEMS) : [];
  const entries = shown.map(
    (member) => `${keyPreview(member.key)}: ${preview(member.value, depth - 1)}`,
  );
  return `{${entries.join(', ')}${more(entries.length, value.members.length)}}`;
}

/** A key in double quotes for messages, cut with `…` when long. */
export function keyPreview(key: string): string {
  return preview(key, 0);
}

function clipped(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

function more(shown: number, total: number): string {
  if (shown === total) return '';
  return shown === 0 ? '…' : ', …';
}
