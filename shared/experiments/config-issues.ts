import { AppError } from '../errors/app-error.ts';
import { itemOffsets } from './json-text.ts';
import type { JsonList } from './json-value.ts';
import { positionAt } from './text-position.ts';

/** The classes of refusals; stable, programs may read them from the error's context. */
export type ConfigReason =
  | 'top-level'
  | 'list-item'
  | 'bad-key'
  | 'bad-value'
  | 'compound-scalar'
  | 'compound-empty'
  | 'row-type'
  | 'arity';

/** A UTF-16 offset in the config's text, or an item of a list there. */
export type IssuePlace = number | { readonly list: JsonList; readonly index: number };

/** One thing wrong with a config. `message` is a clause without a full stop. */
export interface ConfigIssue {
  readonly at: IssuePlace;
  readonly reason: ConfigReason;
  readonly key?: string;
  readonly message: string;
  readonly hint: string;
}

/** Collects what is wrong; only the first issues are made and kept, the others are counted. */
export interface ConfigIssues {
  add(issue: () => ConfigIssue): void;
  /** Throws CONFIG_INVALID if anything was added. */
  throwIfAny(text: string): void;
}

/** Most issues that one error lists. */
export const MAX_LISTED_ISSUES = 20;

const LONGEST_KEY = 200;

/** An empty collection of issues. */
export function createConfigIssues(): ConfigIssues {
  const listed: ConfigIssue[] = [];
  let total = 0;
  return {
    add(issue) {
      if (total++ < MAX_LISTED_ISSUES) listed.push(issue());
    },
    throwIfAny(text) {
      if (total > 0) throw invalid(text, listed, total);
    },
  };
}

function invalid(text: string, issues: readonly ConfigIssue[], total: number) {
  const offsetOf = createLocator(text);
  const placed = issues.map(({ at, key, ...issue }) => ({
    ...positionAt(text, offsetOf(at)),
    ...issue,
    key: key?.slice(0, LONGEST_KEY),
  }));
  const lines = placed.map(
    ({ line, column, message }) => `line ${line}, column ${column}: ${message}`,
  );
  const { line, column, key, reason, hint } = placed[0] ?? {};
  return new AppError('CONFIG_INVALID', summary(lines, total), {
    ...(hint && { hint }),
    context: { line, column, key, reason, issues: placed },
  });
}

// Finding an item reads its whole list again, so each list is read once for all its issues.
function createLocator(text: string): (place: IssuePlace) => number {
  const known = new Map<JsonList, readonly number[]>();
  return (place) => {
    if (typeof place === 'number') return place;
    const offsets = known.get(place.list) ?? itemOffsets(text, place.list);
    known.set(place.list, offsets);
    return offsets[place.index] ?? place.list.offset;
  };
}

function summary(lines: readonly string[], total: number): string {
  if (total === 1) return `experiment config, ${lines[0]}.`;
  const more = total > lines.length ? [`and ${total - lines.length} more`] : [];
  return [`The experiment config has ${total} problems:`, ...lines, ...more].join('\n  ');
}
