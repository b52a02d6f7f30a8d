import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { createFileWriter } from '../../layers/extract-files.ts';
import { createExtractTree } from '../../layers/extract-tree.ts';
import { type ArchiveEntry, archiveEntries } from './archive-entries.ts';
import { type WantedFiles, WORK_ROOT } from './changed-paths.ts';

/** How much is kept of one container. */
export interface FileLimits {
  readonly bytes: number;
  /** Files, directories and links. */
  readonly count: number;
}

/** What a limit ended; null: all was copied. */
export type Exceeded = keyof FileLimits | null;

type Link = Pick<ArchiveEntry, 'path' | 'linkTarget'>;

/**
 * Copies the wanted files of a container into a directory that nobody else writes to. Executable files become 0755, others 0644; times
 * and owners are not kept. Nothing is written through a link (extract-tree.ts), and one that leads out of the directory is not made.
 * What comes after a limit is left out, with links.
 */
export async function copyFiles(
  wanted: WantedFiles,
  target: { readonly directory: string; readonly limits: FileLimits },
  archive: (path: string) => Promise<Readable>,
): Promise<Exceeded> {
  const tree = await createExtractTree(target.directory);
  const files = createFileWriter(tree);
  const budget = createBudget(target.limits);
  const links: { readonly symlink: Link[]; readonly hardlink: Link[] } = {
    symlink: [],
    hardlink: [],
  };

  const archives = new Set(wanted.archives);
  const written = new Set<string>();

  async function place(entry: ArchiveEntry): Promise<void> {
    const { kind } = entry;
    // Another name of a file that is not wanted: in an archive of its own it is a file.
    const isAlone = kind === 'hardlink' && !written.has(entry.linkTarget);
    if (isAlone && !archives.has(entry.path)) archives.add(entry.path);
    else if (kind === 'directory') await tree.directory(entry.path);
    else if (kind === 'file') await writeFile(entry, kind);
    else if (kind !== 'other') links[kind].push(entry);
  }

  async function writeFile(entry: ArchiveEntry, kind: 'file'): Promise<void> {
    await files.begin({ ...entry, kind });
    for await (const bytes of entry.content) await files.content(bytes);
    written.add(entry.path);
  }

  async function copyAll(): Promise<Exceeded> {
    for (const top of archives) {
      for await (const entry of wantedEntries(wanted, top, await archive(absolute(top)))) {
        const exceeded = budget.take(entry);
        if (exceeded !== null) return exceeded;
        await place(entry);
      }
    }
    return null;
  }

  const exceeded = await copyAll().finally(() => files.finish());
  for (const { path, linkTarget } of links.hardlink) await tree.hardlink(linkTarget, path);
  for (const { path, linkTarget } of links.symlink) {
    const inside = innerTarget(path, linkTarget);
    if (inside !== null) await tree.symlink(inside, path);
  }
  return exceeded;
}

/**
 * Where a link of a container may lead in a copy of its working directory; null: it leads out of it. `..` is accepted at the beginning
 * only: behind a name it could climb out through another link.
 */
export function innerTarget(path: string, target: string): string | null {
  const from = posix.dirname(path);
  const isAbsolute = target.startsWith(WORK_ROOT);
  const wanted = isAbsolute ? target.slice(WORK_ROOT.length) : target;
  const names = wanted.split('/').filter((name) => name !== '' && name !== '.');
  const ups = names.findIndex((name) => name !== '..');
  const climbs = ups === -1 ? names.length : ups;
  const depth = isAbsolute || from === '.' ? 0 : from.split('/').length;
  if (wanted.startsWith('/') || target === '' || climbs > depth) return null;
  if (names.includes('..', climbs)) return null;
  if (!isAbsolute) return target;
  return posix.relative(`/${from}`, `/${names.join('/')}`) || '.';
}

async function* wantedEntries(
  wanted: WantedFiles,
  top: string,
  stream: Readable,
): AsyncGenerator<ArchiveEntry> {
  for await (const entry of entriesBelow(top, stream)) {
    const isDirectory = entry.kind === 'directory';
    if (wanted.isWanted(entry.path, isDirectory)) yield entry;
    // A directory of which only rights or times were changed: all in it is as it was.
    else if (isDirectory && entry.path === top && top !== '') return;
  }
}

/** The entries, with paths in the working directory; what would not lie below `top` is passed over. */
async function* entriesBelow(top: string, stream: Readable): AsyncGenerator<ArchiveEntry> {
  // The engine names what it archives by its last name.
  const root = posix.basename(absolute(top));
  const inside = (name: string) =>
    name === root || name.startsWith(`${root}/`)
      ? posix.join(posix.dirname(absolute(top)), name).slice(WORK_ROOT.length)
      : null;
  for await (const entry of archiveEntries(stream)) {
    const path = isPlain(entry.path) ? inside(entry.path) : null;
    if (path === null) continue;
    if (entry.kind !== 'hardlink') yield { ...entry, path };
    else if (isPlain(entry.linkTarget)) {
      yield { ...entry, path, linkTarget: inside(entry.linkTarget) ?? path };
    }
  }
}

function absolute(path: string): string {
  return posix.join(WORK_ROOT, path).replace(/\/$/, '');
}

function isPlain(path: string): boolean {
  return path.split('/').every((name) => !['', '.', '..'].includes(name) && !name.includes('\0'));
}

function createBudget(limits: FileLimits) {
  let bytes = 0;
  let count = 0;
  return {
    take({ kind, size }: ArchiveEntry): Exceeded {
      if (kind === 'other') return null;
      bytes += kind === 'file' ? size : 0;
      count += 1;
      if (bytes > limits.bytes) return 'bytes';
      return count > limits.count ? 'count' : null;
    },
  };
}
