import { readdir, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';

/** What the module argument means: what to execute and which folder holds it. Paths are relative to the context. */
export interface ModuleTarget {
  readonly executable: readonly string[];
  /** First component of the script's path, `.` for the whole context. */
  readonly packagePath: string;
  readonly scriptPath: string;
  /** Dotted name for `python -m`; null for a script. */
  readonly mainModule: string | null;
}

/**
 * Resolves the module argument against the build context: an existing file is a script, else dots become slashes and
 * an existing `.py` file is a module. Throws MODULE_NOT_FOUND; `context.reason` says whether the folder or the file is
 * missing.
 */
export async function resolveModule(contextDir: string, word: string): Promise<ModuleTarget> {
  refuseOutside(word);
  if (await isFile(contextDir, word)) return scriptTarget(word);
  const path = moduleToPath(word);
  if (isPlainPath(path) && (await isFile(contextDir, path))) return moduleTarget(path);
  throw await notFound(contextDir, word);
}

/** The words that start the program inside the image, before its arguments. */
export function moduleCommand(target: ModuleTarget): string[] {
  return [...target.executable, target.mainModule ?? target.scriptPath];
}

/** How a file is run, whether it exists or not: `.py` by Python, anything else by bash. */
export function scriptTarget(path: string): ModuleTarget {
  const executable = path.endsWith('.py') ? ['python'] : ['/bin/bash'];
  return { executable, packagePath: packagePathOf(path), scriptPath: path, mainModule: null };
}

/** The file a dotted module name stands for: `a.b` is `a/b.py`. */
export function moduleToPath(name: string): string {
  return `${name.replaceAll('.', '/')}.py`;
}

function moduleTarget(path: string): ModuleTarget {
  const mainModule = path.slice(0, -'.py'.length).replaceAll('/', '.');
  return {
    executable: ['python', '-m'],
    packagePath: packagePathOf(path),
    scriptPath: path,
    mainModule,
  };
}

function packagePathOf(path: string): string {
  const slash = path.indexOf('/');
  return slash === -1 ? '.' : path.slice(0, slash);
}

/** `./x` or `a..b` would become a path with empty components, which Python cannot import. */
function isPlainPath(path: string): boolean {
  return path.split('/').every((part) => part !== '');
}

async function isFile(contextDir: string, path: string): Promise<boolean> {
  const stats = await statOrNothing(join(contextDir, path));
  // "train.py/" names a directory, and stat of the joined path would not tell.
  return stats?.isFile() === true && !path.endsWith('/');
}

async function isDirectory(contextDir: string, path: string): Promise<boolean> {
  return (await statOrNothing(join(contextDir, path)))?.isDirectory() === true;
}

async function statOrNothing(path: string) {
  return stat(path).catch(() => undefined);
}

function refuseOutside(word: string): void {
  if (word.startsWith('/')) {
    throw failure(word, 'directory', {
      message: `${word} is an absolute path; code must live in a folder below the current directory.`,
      hint: 'Change to the directory of your project and name the script from there: caliban cloud trainer/train.py',
    });
  }
  if (word.split('/').includes('..')) {
    throw failure(word, 'file', {
      message: `${word} goes through a parent directory; only what is below the current directory can be packed.`,
      hint: 'Change to the directory that holds all of your code and name the script from there.',
    });
  }
}

async function notFound(contextDir: string, word: string): Promise<AppError> {
  if (word !== '' && (await isDirectory(contextDir, word))) return isFolder(contextDir, word);
  const asModule =
    word !== '' &&
    !(word.includes('/') || /\.(py|sh)$/.test(word)) &&
    isPlainPath(moduleToPath(word));
  const path = asModule ? moduleToPath(word) : posix.normalize(word);
  const folder = posix.dirname(path);
  const hint = await nearest(contextDir, { word, path, asModule });
  if (!(await isDirectory(contextDir, folder))) {
    const message = `There is no folder ${folder} for ${word}; code must live in a folder below the current directory.`;
    return failure(word, 'directory', { message, hint });
  }
  const looked =
    asModule && path !== word
      ? `neither a file ${word} nor ${path}`
      : `no file ${JSON.stringify(word)}`;
  return failure(word, 'file', {
    message: `There is ${looked} below the current directory.`,
    hint,
  });
}

async function isFolder(contextDir: string, word: string): Promise<AppError> {
  const folder = posix.normalize(word).replace(/\/$/, '');
  const scripts = (await filesIn(contextDir, folder))
    .filter((path) => path.endsWith('.py'))
    .toSorted();
  const main = scripts.find((path) => path.endsWith('/__main__.py')) ?? scripts[0];
  const example = main === undefined ? `${folder}/train.py` : main;
  return failure(word, 'file', {
    message: `${word} is a directory; name the script or module to execute.`,
    hint: `For example: caliban cloud ${example}`,
  });
}

async function nearest(
  contextDir: string,
  missing: { readonly word: string; readonly path: string; readonly asModule: boolean },
): Promise<string> {
  const folders = (await readEntries(contextDir, '.'))
    .filter((e) => e.isDirectory())
    .map((e) => e.name);
  const looked = new Set(['.', posix.dirname(missing.path), ...folders.slice(0, MAX_FOLDERS)]);
  const candidates = (
    await Promise.all([...looked].map((folder) => filesIn(contextDir, folder)))
  ).flat();
  const name = posix.basename(missing.path);
  const found =
    didYouMean(missing.path, candidates) ??
    candidates.find((path) => posix.basename(path) === name);
  if (found === undefined)
    return 'Name a script (trainer/train.py, run.sh) or a Python module (trainer.train).';
  return `Did you mean ${missing.asModule && found.endsWith('.py') ? moduleTarget(found).mainModule : found}?`;
}

/** Folders searched for a near name: this is a hint, not worth reading a large project. */
const MAX_FOLDERS = 50;

async function filesIn(contextDir: string, folder: string): Promise<string[]> {
  const entries = await readEntries(contextDir, folder);
  return entries
    .filter((e) => e.isFile())
    .map((e) => (folder === '.' ? e.name : `${folder}/${e.name}`));
}

async function readEntries(contextDir: string, folder: string) {
  return readdir(join(contextDir, folder), { withFileTypes: true }).catch(() => []);
}

function failure(
  argument: string,
  reason: 'file' | 'directory',
  text: { readonly message: string; readonly hint: string },
): AppError {
  return new AppError('MODULE_NOT_FOUND', text.message, {
    hint: text.hint,
    context: { argument, reason },
  });
}
