import { posix } from 'node:path';
import { AppError } from '../../../shared/errors/app-error.ts';
import { type NamedPath, namedPaths } from '../../../shared/image/requirement-lines.ts';

/** Reads a file of a verified layer, if it is there and no larger. */
export type ReadLayerFile = (
  diffId: string,
  path: string,
  maxBytes: number,
) => Promise<Uint8Array | undefined>;

/** Files by their path in the dependency layer. */
export type RequirementFiles = ReadonlyMap<string, Uint8Array>;

const MAX_BYTES = 1024 * 1024;
const MAX_FILES = 50;

/**
 * A requirements file and those that it includes, from the dependency layer. Throws AppError BUILD_FAILED for one that is
 * not there, and for lines that name other local files: nothing else is sent.
 */
export async function requirementFiles(
  read: ReadLayerFile,
  from: { readonly layer: string | null; readonly path: string },
): Promise<RequirementFiles> {
  const { layer, path: root } = from;
  const files = new Map<string, Uint8Array>();
  const wanted: Wanted[] = [{ path: posix.normalize(root), namedBy: null }];
  for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
    const { path, namedBy } = next;
    if (files.has(path)) continue;
    if (files.size === MAX_FILES) throw tooMany(root);
    const isReadable = layer !== null && !isOutside(path);
    const bytes = isReadable ? await read(layer, path, MAX_BYTES) : undefined;
    if (bytes === undefined) throw missing(path, namedBy);
    files.set(path, bytes);
    wanted.push(...includedBy(path, bytes));
  }
  return files;
}

interface Wanted {
  readonly path: string;
  /** The file and line that include it; null: the dependencies. */
  readonly namedBy: string | null;
}

function includedBy(path: string, bytes: Uint8Array): Wanted[] {
  return namedPaths(new TextDecoder().decode(bytes)).map((named) => {
    if (named.kind === 'local') throw unusable(path, named);
    const included = posix.join(posix.dirname(path), named.path);
    return { path: included, namedBy: `${path} (${named.line})` };
  });
}

function isOutside(path: string): boolean {
  return path.startsWith('/') || path === '..' || path.startsWith('../');
}

function missing(path: string, namedBy: string | null): AppError {
  const message =
    namedBy === null
      ? `${path} is not among the dependency files.`
      : `${path}, named by ${namedBy}, is not among the dependency files.`;
  const hint =
    namedBy === null
      ? 'Submit again; the file has to exist when the code is packed.'
      : 'Put its lines into the requirements file itself.';
  return new AppError('BUILD_FAILED', message, { hint });
}

function unusable(path: string, { line }: NamedPath): AppError {
  return new AppError(
    'BUILD_FAILED',
    `The line "${line}" of ${path} needs local files, and an image gets none but requirements files.`,
    {
      hint: 'Name a package of an index, or a URL; your own code is on the path of jobs without being installed.',
    },
  );
}

function tooMany(root: string): AppError {
  return new AppError('BUILD_FAILED', `${root} includes more than ${MAX_FILES} files.`, {
    hint: 'Put their lines together.',
  });
}
