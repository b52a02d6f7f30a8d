import { realpath, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import { type IgnoreRules, verdictFromTop } from './dockerignore.ts';
import { inTarOrder, type LayerTree, type TreeEntry } from './layer-tree.ts';
import { isInside, isOutside, type Walked, walkDirectory } from './walk.ts';

/** Where code lives in every image. */
const APP_DIR = 'usr/app';

/** A layer of code and what was found on the way. */
export interface WalkedLayer {
  readonly tree: LayerTree;
  readonly junk: Walked['junk'];
}

/**
 * One tree for each directory, in the given order, the same directory once. A directory inside another is left out of
 * the outer one's layer. Entries begin with `usr/app/DIR`. Throws PACK_REFUSED for what cannot be packed.
 */
export async function layerTrees(from: {
  readonly contextDir: string;
  readonly roots: readonly string[];
  /** Not entered. */
  readonly leftOut?: string | undefined;
  readonly rules: IgnoreRules;
  readonly signal?: AbortSignal | undefined;
}): Promise<WalkedLayer[]> {
  const roots = [...new Set(from.roots)];
  const layers: WalkedLayer[] = [];
  for (const root of roots) {
    const except = new Set(roots.filter((other) => other !== root));
    if (from.leftOut !== undefined) except.add(from.leftOut);
    const walked = await walkDirectory({ ...from, root, except });
    refuseEmptied(walked, root, from.rules);
    layers.push({
      tree: { root, contextDir: from.contextDir, entries: entriesOf(walked) },
      junk: walked.junk,
    });
  }
  return layers;
}

/**
 * A directory named by `-d`, as a path relative to the context. Throws USAGE when it is absolute, leaves the context
 * or is no existing directory.
 */
export async function extraDirectory(contextDir: string, given: string): Promise<string> {
  const path = posix.normalize(given).replace(/(?<=.)\/$/, '');
  if (given === '' || given.startsWith('/') || isOutside(path)) {
    throw new AppError(
      'USAGE',
      `-d ${JSON.stringify(given)} is not a path below the current directory.`,
      {
        hint: 'Only directories below the current one can be packed; name one relative to it: -d data',
      },
    );
  }
  const stats = await stat(join(contextDir, path)).catch(() => undefined);
  if (stats?.isDirectory() !== true) {
    throw new AppError(
      'USAGE',
      `-d ${given}: ${stats === undefined ? 'no such directory' : 'not a directory'}.`,
      {
        hint: 'Name an existing directory, relative to the current one: -d data',
      },
    );
  }
  await refuseRootOutside(contextDir, path);
  return path;
}

/** Refuses a directory that is reached through a link to somewhere else. */
export async function refuseRootOutside(contextDir: string, root: string): Promise<void> {
  const real = await realpath(join(contextDir, root));
  if (isInside(contextDir, real)) return;
  throw new AppError('PACK_REFUSED', `${root} leads out of the current directory, to ${real}.`, {
    hint: 'Copy the directory here, or run caliban from a directory that holds both.',
    context: { paths: [root] },
  });
}

/** A directory asked for by name and then ignored would be missing in the image, silently. */
function refuseEmptied(walked: Walked, root: string, rules: IgnoreRules): void {
  if (!verdictFromTop(rules, root).ignored) return;
  if (walked.files.length + walked.links.length + walked.directories.length > 0) return;
  throw new AppError(
    'PACK_REFUSED',
    `${root} is to be packed, but .dockerignore leaves all of it out.`,
    {
      hint: `Add as the last line of .dockerignore: !${root}`,
      context: { paths: [root] },
    },
  );
}

function entriesOf(walked: Walked): TreeEntry[] {
  const directories = new Set<string>();
  const add = (path: string): void => {
    // The root `.` is usr/app itself, which the image already has.
    for (let dir = path; dir !== '.' && !directories.has(dir); dir = posix.dirname(dir))
      directories.add(dir);
  };
  for (const path of walked.directories) add(path);
  // Files come folder by folder.
  let last = '';
  for (const { from } of [...walked.files, ...walked.links]) {
    const folder = posix.dirname(from);
    if (folder !== last) add(folder);
    last = folder;
  }
  return inTarOrder([
    ...[...directories].map(
      (path): TreeEntry => ({ kind: 'directory', path: `${APP_DIR}/${path}` }),
    ),
    ...walked.files.map(
      (file): TreeEntry => ({ kind: 'file', path: `${APP_DIR}/${file.from}`, ...file }),
    ),
    ...walked.links.map(
      ({ from, target }): TreeEntry => ({ kind: 'symlink', path: `${APP_DIR}/${from}`, target }),
    ),
  ]);
}
