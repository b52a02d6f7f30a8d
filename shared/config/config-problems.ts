import type * as z from 'zod';
import { AppError } from '../errors/app-error.ts';
import { didYouMean } from '../errors/did-you-mean.ts';
import { itemOffsets } from '../experiments/json-text.ts';
import {
  isJsonList,
  isJsonObject,
  type JsonDocument,
  type JsonMember,
  type JsonValue,
} from '../experiments/json-value.ts';
import { positionAt } from '../experiments/text-position.ts';
import { valuePreview } from '../experiments/value-preview.ts';
import { fixFor } from './config-fixes.ts';

/** Which text is wrong, and the keys that its top level takes. */
export interface ConfigSource {
  readonly document: JsonDocument;
  readonly file: string;
  readonly keys: readonly string[];
}

/** CONFIG_INVALID for what a schema found in a file, each with line, column and key as written. */
export function projectConfigInvalid(
  { document, file, keys }: ConfigSource,
  issues: readonly z.core.$ZodIssue[],
): AppError {
  const found = issues
    .flatMap((issue) => problemsOf(issue, keys))
    .map((problem) => placed(document, problem));
  const lines = found.map(
    ({ line, column, key, message }) =>
      `line ${line}, column ${column}: ${key === '' ? 'the whole' : key} ${message}`,
  );
  const hints = new Set(found.flatMap(({ hint }) => (hint === null ? [] : [hint])));
  return new AppError('CONFIG_INVALID', `${file}, ${[...new Set(lines)].join('; ')}.`, {
    hint:
      hints.size > 0
        ? [...hints].slice(0, MOST_HINTS).join('\n')
        : `It takes an object with the keys ${keys.join(', ')}.`,
    context: { issues: found },
  });
}

const MOST_HINTS = 5;
// Its value is not for a log.
const SECRET = 'password';

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly hint: string | null;
  /** The kind of value that belongs there; null: nothing does. */
  readonly expected: string | null;
}

function placed(document: JsonDocument, { path, message, hint, expected }: Problem) {
  const place = placeOf(document, path);
  const at = { ...positionAt(document.text, place.offset), key: place.written.join('.') };
  if (expected === null || place.written.length === 0 || path.at(-1) === SECRET)
    return { ...at, message, hint };
  const { value, written, valueOffset } = place;
  const shown = value === undefined ? 'and is missing' : `not ${asWritten(document, place)}`;
  const fix = fixFor({
    ...{ path: written, value, expected },
    written: value === undefined ? '' : numberAt(document.text, valueOffset),
  });
  return { ...at, message: `${message}, ${shown}`, hint: hint ?? fix };
}

// A number's own digits: 3.10 is not 3.1 where a version is meant.
function asWritten({ text }: JsonDocument, { value = null, valueOffset }: Place): string {
  return numberAt(text, valueOffset) || valuePreview(value);
}

function numberAt(text: string, offset: number): string {
  return /^-?[\d.eE+-]{1,40}/.exec(text.slice(offset, offset + 41))?.[0] ?? '';
}

function problemsOf(issue: z.core.$ZodIssue, keys: readonly string[]): Problem[] {
  if (issue.code !== 'unrecognized_keys')
    return [
      {
        path: issue.path,
        message: messageOf(issue),
        hint: hintOf(issue),
        expected: expectedBy(issue),
      },
    ];
  return issue.keys.map((key) => {
    const hint = unknownKeyHint(issue.path, key, keys);
    const path = [...issue.path, key];
    return { path, message: 'is no key that is known here', hint, expected: null };
  });
}

// A rule of its own says itself what to write.
function hintOf(issue: z.core.$ZodIssue): string | null {
  const hint: unknown = issue.code === 'custom' ? issue.params?.['hint'] : null;
  return typeof hint === 'string' ? hint : null;
}

function unknownKeyHint(
  [top]: readonly PropertyKey[],
  key: string,
  keys: readonly string[],
): string | null {
  if (top === 'apt_packages' || top === 'base_image') return `${top} takes the keys cpu and gpu.`;
  const meant = top === undefined ? didYouMean(key, keys) : undefined;
  return meant === undefined ? null : `Did you mean ${meant}?`;
}

// A text of the wrong form, too, is a wrong value.
function expectedBy(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_type' ? issue.expected : 'string';
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type' || issue.message.startsWith('must')) return issue.message;
  return issue.expected === 'object' ? 'must be an object' : `must be given as ${issue.expected}`;
}

interface Place {
  /** Of the key, or of the item of a list. */
  readonly offset: number;
  readonly valueOffset: number;
  /** The keys of the path that the text itself has. */
  readonly written: readonly PropertyKey[];
  /** Undefined: the text has nothing there. */
  readonly value: JsonValue | undefined;
}

// The deepest place that the text itself has, and its keys as written: a missing key is told at the object that lacks it.
function placeOf({ text, root, rootOffset }: JsonDocument, path: readonly PropertyKey[]): Place {
  let value: JsonValue | undefined = root;
  let offset = rootOffset;
  let valueOffset = rootOffset;
  const written: PropertyKey[] = [];
  for (const step of path) {
    if (isJsonList(value) && typeof step === 'number') {
      offset = itemOffsets(text, value)[step] ?? offset;
      valueOffset = offset;
      value = value.items[step];
    } else if (isJsonObject(value)) {
      const member: JsonMember | undefined = value.members.find(({ key }) => key === step);
      offset = member?.keyOffset ?? offset;
      valueOffset = member?.valueOffset ?? valueOffset;
      value = member?.value;
    } else if (value !== undefined) continue; // a value that was spread over both modes
    written.push(step);
  }
  return { offset, valueOffset, written, value };
}
