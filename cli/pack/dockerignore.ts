import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import { errorCode } from './error-code.ts';

/** What the rules say about one path; handed back for the paths below it. */
export interface IgnoreVerdict {
  readonly ignored: boolean;
  /** For each rule, whether it matches the path or a directory above it. */
  readonly hits: readonly boolean[];
}

/** The rules of one `.dockerignore`, as Docker applies them to a build context. */
export interface IgnoreRules {
  /** The verdict on a path relative to the context, given that of its parent directory (nothing at the top). */
  verdict(path: string, parent?: IgnoreVerdict): IgnoreVerdict;
  /** Whether an exception (`!pattern`) may bring back something below an ignored directory. */
  mayKeepBelow(directory: string): boolean;
}

interface Rule {
  readonly exception: boolean;
  readonly matcher: RegExp;
  /** One matcher for each path segment; undefined stands for any number of segments. */
  readonly segments: readonly (RegExp | undefined)[];
}

/** The rules of the context's `.dockerignore`; none when there is no such file. Throws PACK_REFUSED for a bad line. */
export async function readDockerignore(contextDir: string): Promise<IgnoreRules> {
  try {
    return parseDockerignore(await readFile(join(contextDir, '.dockerignore'), 'utf8'));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return parseDockerignore('');
    if (errorCode(cause) === undefined) throw cause;
    throw new AppError('PACK_REFUSED', `.dockerignore cannot be read (${errorCode(cause)}).`, {
      hint: `Make ${join(contextDir, '.dockerignore')} a readable file.`,
      cause,
    });
  }
}

/** The rules of a `.dockerignore` text. Throws PACK_REFUSED for a pattern Docker would refuse. */
export function parseDockerignore(text: string): IgnoreRules {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const rules = lines.flatMap((line, index) => parseLine(line, index + 1));
  return {
    verdict(path, parent) {
      let ignored = false;
      const hits = rules.map((rule, index) => {
        const hit = parent?.hits[index] === true || rule.matcher.test(path);
        if (hit) ignored = !rule.exception;
        return hit;
      });
      return { ignored, hits };
    },
    mayKeepBelow: (directory) => {
      const segments = directory.split('/');
      return rules.some((rule) => rule.exception && mayMatchBelow(rule, segments));
    },
  };
}

/** The verdict on a path whose parents were not visited. */
export function verdictFromTop(rules: IgnoreRules, path: string): IgnoreVerdict {
  let verdict: IgnoreVerdict = { ignored: false, hits: [] };
  if (path === '.') return verdict;
  const segments = path.split('/');
  for (let end = 1; end <= segments.length; end++) {
    verdict = rules.verdict(segments.slice(0, end).join('/'), verdict);
  }
  return verdict;
}

function parseLine(line: string, number: number): Rule[] {
  const text = line.trim();
  if (line.startsWith('#') || text === '') return [];
  const exception = text.startsWith('!');
  const pattern = cleanPattern(exception ? text.slice(1).trim() : text);
  try {
    const segments = pattern.split('/').map((s) => (s.includes('**') ? undefined : toRegExp(s)));
    return [{ exception, matcher: toRegExp(pattern), segments }];
  } catch (cause) {
    throw new AppError('PACK_REFUSED', `Line ${number} of .dockerignore is no pattern: ${text}`, {
      hint: 'Docker refuses it too: close each "[", end with no "\\", and write a path after "!".',
      cause,
    });
  }
}

function cleanPattern(pattern: string): string {
  if (pattern === '') return pattern;
  const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, '');
  return clean.length > 1 ? clean.replace(/^\//, '') : clean;
}

const TOKEN = /\*\*\/?|\*|\?|\\(?<escaped>.)|\[(?<not>\^?)(?<set>(?:\\.|[^\]\\])+)\]|./gsu;

/**
 * The pattern language of Docker's own matcher, which is neither git's nor the shell's: `**` crosses directories,
 * `*` and `?` do not, case counts, and `**text` without another special character means "ends in text".
 */
function toRegExp(pattern: string): RegExp {
  if (pattern === '') throw new SyntaxError('empty pattern');
  const rest = pattern.slice(2);
  if (pattern.startsWith('**') && !/^\/|[*?[\]\\]/.test(rest))
    return new RegExp(`${literal(rest)}$`, 'su');
  const tokens = [...pattern.matchAll(TOKEN)];
  const source = tokens.map((match, index) => translate(match, index === tokens.length - 1));
  return new RegExp(`^${source.join('')}$`, 'su');
}

function translate({ 0: token, groups }: RegExpExecArray, atEnd: boolean): string {
  if (token.startsWith('**')) return atEnd ? '.*' : '(?:.*/)?';
  if (token === '*') return '[^/]*';
  if (token === '?') return '[^/]';
  const { escaped, not, set } = groups ?? {};
  if (set !== undefined) return `[${not}${characterSet(set)}]`;
  if (token === '[' || token === '\\') throw new SyntaxError(`stray ${token}`);
  return literal(escaped ?? token);
}

function characterSet(text: string): string {
  return text.replace(/\\(.)|\^/gsu, (token, escaped?: string) =>
    /[\\\]^-]/.test(escaped ?? token) ? `\\${escaped ?? token}` : (escaped ?? token),
  );
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** A rule shorter than the directory cannot match first below it: it would have matched the directory itself. */
function mayMatchBelow(rule: Rule, directory: readonly string[]): boolean {
  for (const [index, name] of directory.entries()) {
    if (index >= rule.segments.length) return false;
    const segment = rule.segments[index];
    if (segment === undefined) return true;
    if (!segment.test(name)) return false;
  }
  return rule.segments.length > directory.length;
}
