import * as z from 'zod';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';

const MOST_SHOWN = 20;
const LONGEST_SHOWN = 60;

/** A part of a request that its schema refused. */
export interface RefusedPart {
  /** For people: body, query, path or header. */
  readonly where: string;
  readonly value: unknown;
  readonly schema: unknown;
  readonly issues: readonly z.core.$ZodIssue[];
}

/** REQUEST_INVALID with every problem: where, what is expected, what came instead, which name may be meant. */
export function requestInvalid(part: RefusedPart): AppError {
  const newer = part.issues.find((issue) => issue.path.join() === 'schemaVersion');
  if (newer !== undefined && typeof valueAt(part.value, newer.path) === 'number') {
    return unknownVersion(newer, part);
  }
  const problems = part.issues.flatMap((issue) => problemsOf(issue, part));
  const shown = problems.slice(0, MOST_SHOWN);
  const more = problems.length - shown.length;
  const lines = shown.map(({ path, problem }) => `${path}: ${problem}`);
  if (more > 0) lines.push(`and ${more} more`);
  return new AppError('REQUEST_INVALID', `The ${part.where} is not valid. ${lines.join('; ')}.`, {
    hint: shown.some(({ path }) => path === 'limit')
      ? PAGE_HINT
      : 'What each route takes is at /docs.',
    context: { issues: shown },
  });
}

// What else such a body has follows from it.
function unknownVersion(issue: z.core.$ZodIssue, { where, value }: RefusedPart): AppError {
  const [known] = issue.code === 'invalid_value' ? issue.values : [];
  const got = shownValue(valueAt(value, issue.path));
  const problem = `this service knows version ${String(known)}, got ${got}`;
  return new AppError('REQUEST_INVALID', `The ${where} is not valid. schemaVersion: ${problem}.`, {
    hint: 'Update the service, or use a client of its version.',
    context: { issues: [{ path: 'schemaVersion', problem }] },
  });
}

const PAGE_HINT = `Leave limit out for ${LIMITS.defaultPageItems} items, or take at most ${LIMITS.pageItems} and go on with cursor=, the \`next\` of the answer.`;

interface Problem {
  readonly path: string;
  readonly problem: string;
}

function problemsOf(issue: z.core.$ZodIssue, part: RefusedPart): Problem[] {
  const path = pathText(issue.path) || part.where;
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(part.schema, issue.path);
    return issue.keys.map((key) => ({ path, problem: unknownField(key, known) }));
  }
  const got = `got ${shownValue(valueAt(part.value, issue.path))}`;
  // A schema's own words begin with "must".
  if (issue.code === 'invalid_type' && !issue.message.startsWith('must'))
    return [{ path, problem: `expected ${issue.expected}, ${got}` }];
  const inner = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
  return [{ path, problem: `${inner ?? issue.message}, ${got}` }];
}

function unknownField(key: string, known: readonly string[]): string {
  const near = didYouMean(key.slice(0, LONGEST_SHOWN), known);
  const suggestion = near === undefined ? '' : ` (did you mean ${near}?)`;
  return `unknown field ${shownValue(key)}${suggestion}`;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) =>
      typeof part === 'number' ? `[${part}]` : `${at === 0 ? '' : '.'}${String(part)}`,
    )
    .join('');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = Reflect.get(at, part);
  }
  return at;
}

function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  const cut = value.length > LONGEST_SHOWN;
  return `${JSON.stringify(value.slice(0, LONGEST_SHOWN))}${cut ? '…' : ''}`;
}

function fieldsAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  let at = unwrapped(schema);
  for (const part of path) at = unwrapped(inside(at, part));
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function inside(schema: unknown, part: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return Reflect.get(schema.shape, part);
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}

function unwrapped(schema: unknown): unknown {
  const isWrapper =
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault;
  return isWrapper ? unwrapped(schema.unwrap()) : schema;
}
