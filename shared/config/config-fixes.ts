import { isJsonList, type JsonValue } from '../experiments/json-value.ts';

/** What stands in the text where something else is expected. */
export interface WrongValue {
  /** Keys and list positions from the top of the file, as far as the text has them. */
  readonly path: readonly PropertyKey[];
  /** Undefined: nothing stands there. */
  readonly value: JsonValue | undefined;
  /** The value as written; a number keeps its digits. */
  readonly written: string;
  /** The kind that a schema expects here: string, array, boolean, object. */
  readonly expected: string;
}

// One example for each key that a project file is likely to have.
const EXAMPLES: Readonly<Record<string, string>> = {
  apt_packages: '["git", "ffmpeg"]',
  base_image: '"python:3.12-slim"',
  python_version: '"3.12"',
  build_time_credentials: 'true',
  julia_version: '"1.10"',
  default_mode: '"cpu"',
};
const MODES: readonly PropertyKey[] = ['cpu', 'gpu'];
const LONGEST_FIX = 200;

/** One line that says what to write instead, or null when only the message can help. */
export function fixFor(wrong: WrongValue): string | null {
  const { path, value } = wrong;
  const top = String(path[0] ?? '');
  const last = path.at(-1);
  const example = EXAMPLES[top];
  if (typeof last === 'number') return 'Write each name in quotes: ["git", "ffmpeg"]';
  const meant = value === undefined ? null : meantBy(wrong, top);
  if (meant !== null && meant.length <= LONGEST_FIX) return `Write: "${String(last)}": ${meant}`;
  if (value === undefined) return `Add to "${top}": "${String(last)}": …`;
  const isPlain = path.length === 1 || (path.length === 2 && MODES.includes(last ?? ''));
  return isPlain && example !== undefined ? `For example: "${String(last)}": ${example}` : null;
}

// The value that was meant, as JSON text, when what was written leaves no doubt.
function meantBy(wrong: WrongValue, top: string): string | null {
  if (top === 'python_version') return versionIn(wrong);
  const kind = wrong.expected === 'object' ? SHORT_KINDS[top] : wrong.expected;
  if (kind === 'array') return asNames(wrong.value);
  if (kind === 'string') return asText(wrong);
  return kind === 'boolean' ? asBoolean(wrong.value) : null;
}

// What a key takes that could also have an object with one for each mode.
const SHORT_KINDS: Readonly<Record<string, string>> = {
  apt_packages: 'array',
  base_image: 'string',
};

function versionIn({ value, written }: WrongValue): string | null {
  const only = onlyItem(value);
  const text = typeof only === 'string' ? only : written;
  const found = /(?<![\d.])\d+\.\d+(\.\d+)?(?![\d.])/.exec(text)?.[0];
  return found === undefined ? null : `"${found}"`;
}

function asNames(value: JsonValue | undefined): string | null {
  if (typeof value !== 'string') return null;
  const names = value.split(/[\s,]+/).filter((name) => name !== '');
  return names.length === 0 ? null : `[${names.map((name) => JSON.stringify(name)).join(', ')}]`;
}

function asText({ value, written }: WrongValue): string | null {
  const only = onlyItem(value);
  if (typeof only === 'string' && only !== '' && only !== value) return JSON.stringify(only);
  const isNumber =
    typeof value === 'number' ||
    (typeof value === 'object' && value !== null && value.kind === 'integer');
  return isNumber ? `"${written}"` : null;
}

function asBoolean(value: JsonValue | undefined): string | null {
  const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
  return text === 'true' || text === 'false' ? text : null;
}

function onlyItem(value: JsonValue | undefined): JsonValue | undefined {
  return isJsonList(value) && value.items.length === 1 ? value.items[0] : value;
}
