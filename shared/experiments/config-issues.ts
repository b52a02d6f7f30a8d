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

/** An empty collection of issues. */
export function createConfigIssues(): ConfigIssues {
  const listed: ConfigIssue[] = [];
  let total = 0;
  return {
    add(issue) {
      if (total++ < MAX_LISTED_ISSUES) listed.push(issue());
    },
    throwIfAny(text) {
      const [first] = listed;
      if (first) throw invalid(text, [first, ...listed.slice(1)], total);
    },
  };
}

function invalid(text: string, issues: readonly [ConfigIssue, ...ConfigIssue[]], total: number) {
  const offsetOf = createLocator(text);
  const placed = issues.map(({ at, ...issue }) => ({
    ...positionAt(text, offsetOf(at)),
    ...issue,
  }));
  const lines = placed.map(
    ({ line, column, message }) => `line ${line}, column ${column}: ${message}`,
  );
  const [first] = issues;
  const { line, column } = positionAt(text, offsetOf(first.at));
  return new AppError('CONFIG_INVALID', summary(lines, total), {
    hint: first.hint,
    context: { line, column, key: first.key, reason: first.reason, issues: placed },
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
