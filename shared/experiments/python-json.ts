import type { JsonValue } from './json-value.ts';
import { pythonFloat } from './python-number.ts';

/** A value as Python's `json.dumps` prints it on one line: `, ` and `: `, non-ASCII escaped, `Infinity`. */
export function pythonJson(value: JsonValue): string {
  if (typeof value === 'string') return jsonString(value);
  if (typeof value === 'number') return jsonFloat(value);
  if (value === null || typeof value === 'boolean') return String(value);
  switch (value.kind) {
    case 'integer':
      return value.digits;
    case 'list':
      return `[${value.items.map(pythonJson).join(', ')}]`;
    case 'object':
      return `{${value.members.map((member) => `${jsonString(member.key)}: ${pythonJson(member.value)}`).join(', ')}}`;
  }
}

/** The same with one item a line, as `json.dumps` prints it with indent 2; `margin` starts each further line. */
export function pythonJsonIndented(value: JsonValue, margin: string): string {
  if (typeof value !== 'object' || value === null || value.kind === 'integer')
    return pythonJson(value);
  const inner = `${margin}  `;
  if (value.kind === 'list') {
    return block(
      '[]',
      margin,
      value.items.map((item) => pythonJsonIndented(item, inner)),
    );
  }
  const lines = value.members.map(
    (member) => `${jsonString(member.key)}: ${pythonJsonIndented(member.value, inner)}`,
  );
  return block('{}', margin, lines);
}

/** Entries between brackets, each on its own line two blanks right of the margin. */
export function block(brackets: '[]' | '{}', margin: string, entries: readonly string[]): string {
  if (entries.length === 0) return brackets;
  const lines = entries.map((entry) => `${margin}  ${entry}`).join(',\n');
  return `${brackets.charAt(0)}\n${lines}\n${margin}${brackets.charAt(1)}`;
}

/** A string in double quotes with everything but printable ASCII escaped. */
export function jsonString(text: string): string {
  return `"${text.replace(/[^ !#-[\]-~]/g, escaped)}"`;
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

function escaped(unit: string): string {
  return SHORT.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return pythonFloat(value);
  return value > 0 ? 'Infinity' : '-Infinity';
}
