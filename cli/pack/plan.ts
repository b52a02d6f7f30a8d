import { realpath, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import { readDockerignore } from './dockerignore.ts';
import { refuseCredentials } from './guard.ts';
import type { FileEntry, LayerTree, TreeEntry } from './layer-tree.ts';
import { extraDirectory, layerTrees, refuseRootOutside, type WalkedLayer } from './layer-trees.ts';
import { type ModuleTarget, moduleCommand, resolveModule } from './module.ts';
import { ignoreLine } from './refusal.ts';
import { isInside, type JunkKind } from './walk.ts';

/** What the user should know about what does not go up. */
export interface PackNotice {
  readonly kind: JunkKind;
  /** Relative to the build context. */
  readonly paths: readonly string[];
  /** One sentence for people. */
  readonly message: string;
}

/** Everything that would go up, before any file was opened but suspected credentials. */
export interface PackPlan {
  readonly module: ModuleTarget;
  /** Executable and module or script, without arguments. */
  readonly command: readonly string[];
  /** The `-d` directories in the given order, then the package folder. */
  readonly layers: readonly LayerTree[];
  /** Files that dependencies can be made from; pack those used with `dependencyLayer`. */
  readonly dependencyFiles: { readonly requirements?: 'requirements.txt' };
  readonly notices: readonly PackNotice[];
  /** The ten largest files, largest first; sizes in bytes. */
  readonly largest: readonly { readonly path: string; readonly size: number }[];
}

export interface PackRequest {
  /** The build context: the directory the user is in. */
  readonly contextDir: string;
  readonly moduleArgument: string;
  /** `-d` directories as given. */
  readonly extraDirs?: readonly string[];
  /** A directory that is not entered wherever it is; it need not exist. */
  readonly leftOut?: string;
  readonly signal?: AbortSignal;
  /** Whether exactly these files were inspected before; they are not opened then. */
  readonly isInspected?: (layer: LayerTree) => boolean;
}

const LARGEST_SHOWN = 10;

/**
 * Decides what goes up for a module. Reads names and sizes, writes nothing. Throws MODULE_NOT_FOUND, USAGE (a bad
 * `-d`) or PACK_REFUSED (paths that cannot or must not go up).
 */
export async function planPack(request: PackRequest): Promise<PackPlan> {
  const contextDir = await realpath(request.contextDir);
  const module = await resolveModule(contextDir, request.moduleArgument);
  const extra: string[] = [];
  for (const given of request.extraDirs ?? []) extra.push(await extraDirectory(contextDir, given));
  await refuseRootOutside(contextDir, module.packagePath);
  const packageLast = [...extra.filter((root) => root !== module.packagePath), module.packagePath];
  const rules = await readDockerignore(contextDir);
  const walked = await layerTrees({
    contextDir,
    roots: packageLast,
    leftOut: await pathInside(contextDir, request.leftOut),
    rules,
    signal: request.signal,
  });
  const layers = walked.map(({ tree }) => tree);
  refuseMissingScript(layers, module);
  const files = layers.flatMap(({ entries }) => entries.filter(isFile));
  const uninspected = layers.filter((layer) => request.isInspected?.(layer) !== true);
  await refuseCredentials(
    contextDir,
    uninspected.flatMap(({ entries }) => entries.filter(isFile)),
  );
  const hasRequirements = (
    await stat(join(contextDir, 'requirements.txt')).catch(() => undefined)
  )?.isFile();
  return {
    module,
    command: moduleCommand(module),
    layers,
    dependencyFiles: hasRequirements === true ? { requirements: 'requirements.txt' } : {},
    notices: noticesOf(walked),
    largest: files
      .toSorted((a, b) => b.size - a.size)
      .slice(0, LARGEST_SHOWN)
      .map(({ from, size }) => ({ path: from, size })),
  };
}

// Undefined: it is not there, or not below the context.
async function pathInside(
  contextDir: string,
  directory: string | undefined,
): Promise<string | undefined> {
  const real = directory && (await realpath(directory).catch(() => undefined));
  if (!real || real === contextDir || !isInside(contextDir, real)) return undefined;
  return posix.relative(contextDir, real);
}

function isFile(entry: TreeEntry): entry is FileEntry {
  return entry.kind === 'file';
}

/** A job would only find out in the cloud that its script is not there. */
function refuseMissingScript(layers: readonly LayerTree[], { scriptPath }: ModuleTarget): void {
  const path = posix.normalize(scriptPath);
  const name = `usr/app/${path}`;
  if (layers.some(({ entries }) => entries.some((entry) => entry.path === name))) return;
  throw new AppError(
    'PACK_REFUSED',
    `${path} is what you want to execute, but it is left out of what is packed.`,
    {
      hint: `Unless it lies in .git, a virtual environment or __pycache__, add as the last line of .dockerignore: !${ignoreLine(path)}`,
      context: { paths: [path] },
    },
  );
}

const WHAT_IT_IS: Readonly<Record<JunkKind, string>> = {
  git: 'git data',
  virtualenv: 'virtual environments; dependencies are installed in the image',
  pycache: 'compiled Python',
};

const PATHS_NAMED = 3;

function noticesOf(walked: readonly WalkedLayer[]): PackNotice[] {
  const junk = walked.flatMap((layer) => layer.junk);
  const kinds: JunkKind[] = ['git', 'virtualenv', 'pycache'];
  return kinds.flatMap((kind) => {
    const paths = junk.filter((found) => found.kind === kind).map(({ path }) => path);
    if (paths.length === 0) return [];
    paths.sort();
    const named = paths.slice(0, PATHS_NAMED).join(', ');
    const more = paths.length > PATHS_NAMED ? ` and ${paths.length - PATHS_NAMED} more` : '';
    return [{ kind, paths, message: `Left out: ${named}${more} (${WHAT_IT_IS[kind]}).` }];
  });
}
