import { AppError } from '../../shared/errors/app-error.ts';

/** One path that keeps a tree from being packed. */
export interface Problem {
  /** Relative to the build context. */
  readonly path: string;
  /** Reads after the path: "is a socket". */
  readonly reason: string;
}

/** Problems named in one message; the rest are counted. */
const MAX_NAMED = 10;

/**
 * The PACK_REFUSED error for paths that cannot or must not go up. Its hint holds the `.dockerignore` lines that leave
 * exactly these paths out; `advice` is a better fix to name first.
 */
export function packRefusal(problems: readonly Problem[], advice?: string): AppError {
  const sorted = problems.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const named = sorted.slice(0, MAX_NAMED);
  const more = sorted.length - named.length;
  const list = named.map(({ path, reason }) => `${shown(path)} ${reason}`).join('; ');
  const lines = named.map(({ path }) => `  ${ignoreLine(path)}`).join('\n');
  const rest = more > 0 ? `; and ${more} more` : '';
  return new AppError('PACK_REFUSED', `Not packed: ${list}${rest}.`, {
    hint: `${advice === undefined ? '' : `${advice} Or leave it out: `}add to .dockerignore:\n${lines}`,
    context: { paths: named.map(({ path }) => path), more },
  });
}

/** A path as a terminal may see it. */
function shown(path: string): string {
  return /\p{Cc}/u.test(path) ? JSON.stringify(path) : path;
}

/** The error of a tree that did not hold still. */
export function changedWhilePacked(what: string): AppError {
  return new AppError('PACK_REFUSED', `${what} changed while being packed.`, {
    hint: 'Run the command again once nothing writes there, or leave the path out with .dockerignore.',
    context: { changed: what },
  });
}

/** The `.dockerignore` line that matches this one path; blanks at its ends and line breaks become `?`. */
export function ignoreLine(path: string): string {
  const escaped = path.replace(/[\\*?[\]]/g, '\\$&').replace(/^[#!]/, '\\$&');
  return escaped.replace(/^\s+|\s+$|[\r\n]/g, (blanks) => '?'.repeat(blanks.length));
}
