import { CODE_ROOT } from '../../../../../shared/layers/layer-rules.ts';

/** One path that differs between a container and its image. */
export interface Change {
  /** Absolute, in the container. */
  readonly path: string;
  readonly kind: 'modified' | 'added' | 'deleted';
}

/** What of a container is worth keeping. All paths are relative to the working directory of jobs; '' is that itself. */
export interface WantedFiles {
  /** Of these an archive is to be asked for; a few only. */
  readonly archives: readonly string[];
  /** Whether an entry of such an archive is wanted. */
  isWanted(path: string, isDirectory: boolean): boolean;
}

/** The working directory of jobs in containers, with its slash. */
export const WORK_ROOT = `/${CODE_ROOT}`;

/** Each is a request; with more, all is asked for at once and what did not change is passed over. */
const MAX_ARCHIVES = 50;
// As the engine shows a name that is no UTF-8: it cannot be asked for by it.
const UNNAMEABLE = '\uFFFD';

/**
 * What was added or changed below the working directory, but for byte code that Python cached; null: nothing was. The engine does not
 * tell directories from files. A directory in which something changed is itself among the changed.
 */
export function wantedFiles(changes: readonly Change[]): WantedFiles | null {
  const added = new Set<string>();
  const modified = new Set<string>();
  const directories = new Set<string>();
  for (const { path, kind } of changes) {
    if (!path.startsWith(WORK_ROOT)) continue;
    const inside = path.slice(WORK_ROOT.length);
    directories.add(parentOf(inside));
    if (kind === 'deleted' || isCached(inside)) continue;
    (kind === 'added' ? added : modified).add(inside);
  }
  const changed = [...modified].filter((path) => !directories.has(path));
  const isBelowAdded = (path: string) => parentsOf(path).some((parent) => added.has(parent));
  const tops = [...changed, ...added].filter((path) => !isBelowAdded(path)).toSorted();
  if (tops.length === 0) return null;
  const isOneByOne = tops.length <= MAX_ARCHIVES && !tops.some((top) => top.includes(UNNAMEABLE));
  return {
    archives: isOneByOne ? tops : [''],
    isWanted: (path, isDirectory) => {
      if (isCached(path)) return false;
      if (added.has(path) || isBelowAdded(path)) return true;
      return !isDirectory && modified.has(path);
    },
  };
}

/** Python's byte code, and the directory of it: which is made all the same for anything else in it. */
function isCached(path: string): boolean {
  return /(?:^|\/)__pycache__(?:\/[^/]+\.pyc(?:\.\d+)?)?$/.test(path);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (let at = parentOf(path); at !== ''; at = parentOf(at)) parents.push(at);
  return parents;
}
