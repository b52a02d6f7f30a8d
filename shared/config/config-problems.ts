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
    .map(({ path, ...problem }) => {
      const { offset, key } = placeOf(document, path);
      return { ...positionAt(document.text, offset), key, ...problem };
    });
  const lines = found.map(
    ({ line, column, key, message }) =>
      `line ${line}, column ${column}: ${key === '' ? 'the whole' : key} ${message}`,
  );
  const meant = found.find(({ hint }) => hint !== null)?.hint;
  return new AppError('CONFIG_INVALID', `${file}, ${[...new Set(lines)].join('; ')}.`, {
    hint: meant ?? `It takes an object with the keys ${keys.join(', ')}.`,
    context: { issues: found },
  });
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly hint: string | null;
}

function problemsOf(issue: z.core.$ZodIssue, keys: readonly string[]): Problem[] {
  if (issue.code !== 'unrecognized_keys')
    return [{ path: issue.path, message: messageOf(issue), hint: null }];
  return issue.keys.map((key) => {
    const meant = issue.path.length === 0 ? didYouMean(key, keys) : undefined;
    const hint = meant === undefined ? null : `Did you mean ${meant}?`;
    return { path: [...issue.path, key], message: 'is no key that is known here', hint };
  });
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type' || issue.message.startsWith('must')) return issue.message;
  return issue.expected === 'object' ? 'must be an object' : `must be given as ${issue.expected}`;
}

// The deepest place that the text itself has, and its keys as written: a missing key is told at the object that lacks it.
function placeOf(
  { text, root, rootOffset }: JsonDocument,
  path: readonly PropertyKey[],
): { readonly offset: number; readonly key: string } {
  let value: JsonValue | undefined = root;
  let offset = rootOffset;
  const written: PropertyKey[] = [];
  for (const step of path) {
    if (isJsonList(value) && typeof step === 'number') {
      offset = itemOffsets(text, value)[step] ?? offset;
      value = value.items[step];
    } else if (isJsonObject(value)) {
      const member: JsonMember | undefined = value.members.find(({ key }) => key === step);
      offset = member?.keyOffset ?? offset;
      value = member?.value;
    } else if (value !== undefined) continue; // a value that was spread over both modes
    written.push(step);
  }
  return { offset, key: written.map(String).join('.') };
}
