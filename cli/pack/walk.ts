import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { readlink, realpath } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { IgnoreRules, IgnoreVerdict } from './dockerignore.ts';
import { verdictFromTop } from './dockerignore.ts';
import { errorCode } from './error-code.ts';
import { forEachBounded } from './for-each-bounded.ts';
import type { FileEntry } from './layer-tree.ts';
import { type Problem, packRefusal } from './refusal.ts';

/** Why something is left out without the user's asking. */
export type JunkKind = 'git' | 'virtualenv' | 'pycache';

/** What one directory of the build context holds. Paths are relative to the context. */
export interface Walked {
  readonly files: readonly Omit<FileEntry, 'path' | 'kind'>[];
  readonly links: readonly { readonly from: string; readonly target: string }[];
  /** Directories that are not ignored, empty ones too. */
  readonly directories: readonly string[];
  readonly junk: readonly { readonly kind: JunkKind; readonly path: string }[];
}

export interface WalkOptions {
  /** Absolute, without symbolic links. */
  readonly contextDir: string;
  /** The directory walked, `.` for the whole context. */
  readonly root: string;
  /** Directories below the root that are not entered: they are layers of their own. */
  readonly except: ReadonlySet<string>;
  readonly rules: IgnoreRules;
  readonly signal?: AbortSignal | undefined;
}

const LINKS_AT_ONCE = 32;
/** Then signals and timers have their turn. */
const CALLS_IN_A_ROW = 1_000;

interface Pending {
  readonly path: string;
  readonly verdict: IgnoreVerdict;
}

interface State extends WalkOptions {
  readonly files: string[];
  readonly linkPaths: string[];
  readonly directories: string[];
  readonly junk: { kind: JunkKind; path: string }[];
  readonly problems: Problem[];
}

/**
 * Lists what is not ignored below one directory. Throws PACK_REFUSED naming every path that cannot go up: sockets,
 * pipes, devices, unreadable directories, links that leave the context.
 */
export async function walkDirectory(options: WalkOptions): Promise<Walked> {
  const state: State = {
    ...options,
    files: [],
    linkPaths: [],
    directories: [],
    junk: [],
    problems: [],
  };
  const pending: Pending[] = [
    { path: options.root, verdict: verdictFromTop(options.rules, options.root) },
  ];
  for (let listed = 1, next = pending.pop(); next !== undefined; next = pending.pop(), listed++) {
    await letOthersRun(state, listed);
    pending.push(...listDirectory(state, next));
  }
  const files = await statFiles(state);
  const links = await readLinks(state);
  if (state.problems.length > 0) throw packRefusal(state.problems);
  return { files, links, directories: state.directories, junk: state.junk };
}

/** Sorts one directory's names into the state and gives the directories to enter next. */
function listDirectory(state: State, { path, verdict }: Pending): Pending[] {
  const names = readNames(state, path);
  if (path !== state.root && names.some(({ name }) => name === 'pyvenv.cfg')) {
    state.junk.push({ kind: 'virtualenv', path });
    return [];
  }
  if (!verdict.ignored) state.directories.push(path);
  return names.flatMap((dirent) => sortName(state, { path, verdict }, dirent));
}

/** Here and not in the thread pool, whose hand-over costs three times what the call does. */
function readNames(state: State, path: string): Dirent[] {
  try {
    return readdirSync(join(state.contextDir, path), { withFileTypes: true });
  } catch (error) {
    state.problems.push(unreadable(path, error));
    return [];
  }
}

function sortName(state: State, parent: Pending, dirent: Dirent): Pending[] {
  const path = parent.path === '.' ? dirent.name : `${parent.path}/${dirent.name}`;
  const verdict = state.rules.verdict(path, parent.verdict);
  if (dirent.isDirectory() && !enters(state, { path, verdict })) return [];
  const unfit = verdict.ignored ? undefined : unfitName(dirent.name);
  if (unfit !== undefined) state.problems.push({ path, reason: unfit });
  if (dirent.isDirectory()) return [{ path, verdict }];
  if (verdict.ignored || unfit !== undefined) return [];
  if (dirent.name === '.git') state.junk.push({ kind: 'git', path });
  else if (dirent.isFile()) state.files.push(path);
  else if (dirent.isSymbolicLink()) state.linkPaths.push(path);
  else state.problems.push({ path, reason: `is a ${specialKind(dirent)}` });
  return [];
}

/** Why the service would refuse a name in a layer. */
function unfitName(name: string): string | undefined {
  if (/\p{Cc}/u.test(name)) return 'has a control character in its name';
  if (name.startsWith('.wh.')) return 'has a name that deletes files in an image';
  return undefined;
}

function enters(state: State, { path, verdict }: Pending): boolean {
  if (state.except.has(path)) return false;
  if (verdict.ignored && !state.rules.mayKeepBelow(path)) return false;
  const kind = JUNK_NAMES.get(posix.basename(path));
  if (kind === undefined) return true;
  state.junk.push({ kind, path });
  return false;
}

const JUNK_NAMES: ReadonlyMap<string, JunkKind> = new Map([
  ['.git', 'git'],
  ['__pycache__', 'pycache'],
]);

function specialKind(dirent: Dirent): string {
  if (dirent.isSocket()) return 'socket';
  if (dirent.isFIFO()) return 'named pipe';
  return 'device';
}

async function letOthersRun(state: State, calls: number): Promise<void> {
  if (calls % CALLS_IN_A_ROW === 0) await setImmediate();
  state.signal?.throwIfAborted();
}

async function statFiles(state: State): Promise<Walked['files']> {
  const files: Walked['files'][number][] = [];
  // Both are normalized: `join`, which does it again, would take a third of the time.
  const prefix = state.contextDir === '/' ? '/' : `${state.contextDir}/`;
  for (const [index, from] of state.files.entries()) {
    if (index % CALLS_IN_A_ROW === 0) await letOthersRun(state, index);
    try {
      const stats = lstatSync(prefix + from, { bigint: true });
      const { mtimeNs, ctimeNs, ino } = stats;
      // The owner's bit alone: the others depend on the umask of whoever made the file.
      const executable = (stats.mode & 0o100n) !== 0n;
      const size = Number(stats.size);
      files.push({ from, size, executable, stamp: { mtimeNs, ctimeNs, ino } });
    } catch (error) {
      state.problems.push(unreadable(from, error));
    }
  }
  return files;
}

async function readLinks(state: State): Promise<Walked['links']> {
  const links: { from: string; target: string }[] = [];
  await forEachBounded(state.linkPaths, LINKS_AT_ONCE, async (from) => {
    try {
      const target = await readlink(join(state.contextDir, from));
      const reason = await leaves(state.contextDir, from, target);
      if (reason === undefined) links.push({ from, target });
      else state.problems.push({ path: from, reason });
    } catch (error) {
      state.problems.push(unreadable(from, error));
    }
  });
  return links;
}

/** Why a link cannot go up. Judged by its text, and by where it really leads: it may pass through other links. */
async function leaves(
  contextDir: string,
  from: string,
  target: string,
): Promise<string | undefined> {
  if (target.startsWith('/')) return `is a link to an absolute path (${target})`;
  const reason = `is a link that leaves the current directory (${target})`;
  if (isOutside(posix.join(posix.dirname(from), target))) return reason;
  // A link to nothing is kept as it is: its text stays inside.
  const real = await realpath(join(contextDir, from)).catch(() => undefined);
  if (real !== undefined && !isInside(contextDir, real)) return reason;
  // Behind a name `..` could climb out through another link wherever the tree is unpacked; the service refuses it.
  return climbsBehindName(target)
    ? `is a link with ".." behind a name (${target}), make it point there directly`
    : undefined;
}

function climbsBehindName(target: string): boolean {
  const names = target.split('/').filter((name) => name !== '' && name !== '.');
  const first = names.findIndex((name) => name !== '..');
  return first !== -1 && names.indexOf('..', first) !== -1;
}

/** Whether a normalized relative path climbs out of where it starts. */
export function isOutside(path: string): boolean {
  return path === '..' || path.startsWith('../');
}

/** Whether an absolute path is the directory or below it. */
export function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function unreadable(path: string, error: unknown): Problem {
  const code = errorCode(error);
  if (code === undefined) throw error;
  if (code === 'ENOENT' && path.includes('\uFFFD'))
    return { path, reason: 'has a name that is not valid UTF-8' };
  return {
    path,
    reason: code === 'ENOENT' ? 'vanished while being packed' : `cannot be read (${code})`,
  };
}
