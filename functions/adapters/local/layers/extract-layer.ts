import { layerInvalid } from '../../../../shared/layers/layer-errors.ts';
import { type CODE_ROOT, createLayerReader } from '../../../../shared/layers/layer-rules.ts';
import type { TarEntry } from '../../../../shared/layers/tar-reader.ts';
import { createFileWriter, type FileWriter } from './extract-files.ts';
import { createExtractTree, type ExtractTree } from './extract-tree.ts';

/** How to unpack. */
export interface ExtractOptions {
  /** What every path begins with and loses; '' for nothing. */
  readonly stripPrefix: typeof CODE_ROOT | '';
}

interface Extraction {
  readonly tree: ExtractTree;
  readonly files: FileWriter;
  readonly links: TarEntry[];
}

/**
 * Unpacks a verified layer into a directory that nobody else writes to; made when absent. What an earlier layer put
 * there is replaced, as in an image; directories stay. Executable files become 0755, others 0644, less the umask; times
 * and owners are not kept. Nothing is written through a symbolic link: links are made last, and one in the way of a
 * directory is replaced. Throws AppError LAYER_INVALID (an entry outside the prefix, or what verification refuses);
 * the directory is then to be thrown away.
 */
export async function extractLayer(
  tar: AsyncIterable<Uint8Array>,
  targetDir: string,
  { stripPrefix }: ExtractOptions,
): Promise<void> {
  const tree = await createExtractTree(targetDir);
  const extraction: Extraction = { tree, files: createFileWriter(tree), links: [] };
  const reader = createLayerReader({ maxEntries: Number.POSITIVE_INFINITY });
  try {
    for await (const piece of tar) {
      for (const event of reader.push(piece)) {
        if (event.kind === 'content') await extraction.files.content(event.bytes);
        else await place(extraction, stripped(event.entry, stripPrefix));
      }
    }
    reader.end();
  } finally {
    await extraction.files.finish();
  }
  await makeLinks(extraction);
}

async function place(
  { tree, files, links }: Extraction,
  entry: TarEntry | undefined,
): Promise<void> {
  if (entry?.kind === 'directory') await tree.directory(entry.path);
  else if (entry?.kind === 'file') await files.begin(entry);
  else if (entry !== undefined) links.push(entry);
}

async function makeLinks({ tree, links }: Extraction): Promise<void> {
  for (const { kind, linkTarget, path } of links) {
    if (kind === 'hardlink') await tree.hardlink(linkTarget, path);
  }
  for (const { kind, linkTarget, path } of links) {
    if (kind === 'symlink') await tree.symlink(linkTarget, path);
  }
}

/** The entry without the prefix; undefined for the directories that the prefix consists of. */
function stripped(entry: TarEntry, prefix: string): TarEntry | undefined {
  if (entry.kind === 'directory' && prefix.startsWith(`${entry.path}/`)) return undefined;
  if (!entry.path.startsWith(prefix)) throw layerInvalid(`it lies outside ${prefix}`, entry.path);
  const isHardlink = entry.kind === 'hardlink';
  return {
    ...entry,
    path: entry.path.slice(prefix.length),
    linkTarget: isHardlink ? entry.linkTarget.slice(prefix.length) : entry.linkTarget,
  };
}
