import type { LayerLimits } from './layer-declaration.ts';
import { layerInvalid, quoteEntry as quote } from './layer-errors.ts';
import { createTarReader, type TarEntry, type TarReader } from './tar-reader.ts';

/** The directory that code layers live in, with its slash. Their links must stay within it. */
export const CODE_ROOT = 'usr/app/';

/** Bytes of a path, and of one name in it: what Linux and macOS can hold. */
const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;
/** Characters of all paths together; bounds the memory that a hostile archive can claim. */
const MAX_PATH_CHARACTERS = 256 * 1024 * 1024;
const WHITEOUT = '.wh.';
const ENCODER = new TextEncoder();
const CONTROL = /\p{Cc}/u;

/** What stands at a path; `implied`: a directory that has entries below it and none of its own. */
type Seen = 'file' | 'directory' | 'symlink' | 'implied';

/**
 * A tar reader that throws AppError LAYER_INVALID, naming the entry, unless every entry is safe to unpack as it is and
 * means the same to every reader: plain relative paths without `..`, no duplicate, nothing below a file or a link,
 * symbolic links that stay within the root (CODE_ROOT for entries below it, else the archive's), hard links to
 * files seen before. Memory grows with the number and length of the paths only.
 */
export function createLayerReader(limits: Pick<LayerLimits, 'maxEntries'>): TarReader {
  const reader = createTarReader();
  const check = createEntryCheck(limits.maxEntries);
  return {
    push(piece) {
      const events = reader.push(piece);
      for (const event of events) if (event.kind === 'entry') check(event.entry);
      return events;
    },
    end: () => reader.end(),
  };
}

function createEntryCheck(maxEntries: number): (entry: TarEntry) => void {
  const seen = new Map<string, Seen>();
  let entries = 0;
  let characters = 0;

  function remember(path: string, what: Seen): void {
    if (!seen.has(path)) characters += path.length;
    if (characters > MAX_PATH_CHARACTERS) {
      throw layerInvalid(`all paths together are longer than ${MAX_PATH_CHARACTERS} characters`);
    }
    seen.set(path, what);
  }

  /** Everything above a path must be a directory; those without an entry are remembered as implied. */
  function checkParents(path: string): void {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const parent = path.slice(0, at);
      const what = seen.get(parent);
      if (what === 'directory' || what === 'implied') return;
      if (what !== undefined) throw layerInvalid(`it lies below ${describe(what)}`, path);
      remember(parent, 'implied');
    }
  }

  function checkDuplicate(entry: TarEntry): void {
    const before = seen.get(entry.path);
    if (before === undefined || (before === 'implied' && entry.kind === 'directory')) return;
    const problem =
      before === 'implied'
        ? 'it is not a directory, but other entries lie below it'
        : 'it is there twice';
    throw layerInvalid(problem, entry.path);
  }

  return (entry) => {
    entries++;
    if (entries > maxEntries) {
      throw layerInvalid(`it has more than ${maxEntries} entries, the limit`);
    }
    checkPath(entry.path);
    checkDuplicate(entry);
    checkParents(entry.path);
    if (entry.kind === 'symlink') checkSymlink(entry);
    if (entry.kind === 'hardlink') checkHardlink(entry, seen.get(entry.linkTarget));
    remember(entry.path, entry.kind === 'hardlink' ? 'file' : entry.kind);
  };
}

function describe(what: 'file' | 'symlink'): string {
  return what === 'file' ? 'a file' : 'a symbolic link';
}

function checkPath(path: string): void {
  if (path.startsWith('/')) throw layerInvalid('its path is absolute', path);
  if (CONTROL.test(path)) throw layerInvalid('its path has a control character', path);
  if (isLonger(path, MAX_PATH_BYTES)) {
    throw layerInvalid(`its path is longer than ${MAX_PATH_BYTES} bytes`, path);
  }
  for (const name of path.split('/')) checkName(name, path);
}

function checkName(name: string, path: string): void {
  if (name === '..') throw layerInvalid('its path contains ".."', path);
  if (name === '' || name === '.') {
    throw layerInvalid('its path is not plain: it has an empty or "." part', path);
  }
  if (name.startsWith(WHITEOUT)) {
    throw layerInvalid(`a name that begins with "${WHITEOUT}" deletes files in an image`, path);
  }
  if (isLonger(name, MAX_NAME_BYTES)) {
    throw layerInvalid(`its path has a name longer than ${MAX_NAME_BYTES} bytes`, path);
  }
}

/**
 * `..` is accepted at the beginning of a target only: behind a name it could climb out through another link
 * (`a/b` → `../..` read through `c/..`), while from the link's own directory, which is real, it cannot.
 */
function checkSymlink({ path, linkTarget }: TarEntry): void {
  checkTarget(path, linkTarget);
  const names = linkTarget.split('/').filter((name) => name !== '' && name !== '.');
  const ups = names.findIndex((name) => name !== '..');
  const climbs = ups === -1 ? names.length : ups;
  if (names.indexOf('..', climbs) !== -1) {
    throw layerInvalid(`it links to ${quote(linkTarget)}, which has ".." behind a name`, path);
  }
  const inCode = path.startsWith(CODE_ROOT);
  const base = inCode ? path.slice(CODE_ROOT.length) : path;
  const depth = base.split('/').length - 1;
  if (climbs <= depth) return;
  const root = inCode ? CODE_ROOT.slice(0, -1) : 'the archive';
  throw layerInvalid(`it links to ${quote(linkTarget)}, which leaves ${root}`, path);
}

function checkHardlink({ path, linkTarget }: TarEntry, target: Seen | undefined): void {
  checkTarget(path, linkTarget);
  if (target !== 'file') {
    throw layerInvalid(
      `it is a hard link to ${quote(linkTarget)}, which is no file that comes before it`,
      path,
    );
  }
  if (!path.startsWith(CODE_ROOT) || linkTarget.startsWith(CODE_ROOT)) return;
  throw layerInvalid(`it is a hard link to ${quote(linkTarget)}, which leaves ${CODE_ROOT}`, path);
}

function checkTarget(path: string, target: string): void {
  if (target === '') throw layerInvalid('it is a link without a target', path);
  if (target.startsWith('/')) {
    throw layerInvalid(`it links to the absolute path ${quote(target)}`, path);
  }
  if (CONTROL.test(target)) throw layerInvalid('its link target has a control character', path);
  if (isLonger(target, MAX_PATH_BYTES)) {
    throw layerInvalid(`its link target is longer than ${MAX_PATH_BYTES} bytes`, path);
  }
}

function isLonger(text: string, maxBytes: number): boolean {
  if (text.length * 3 <= maxBytes) return false;
  return ENCODER.encode(text).length > maxBytes;
}
