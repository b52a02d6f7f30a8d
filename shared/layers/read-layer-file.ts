import { AppError } from '../errors/app-error.ts';
import { createTarReader, type TarEntry, type TarEvent } from './tar-reader.ts';

/** What is looked for in a layer. */
export interface WantedFile {
  readonly path: string;
  readonly maxBytes: number;
}

/**
 * The content of one regular file of a verified layer (a hard link is followed, a symbolic link is not), or undefined.
 * `open` gives the layer's tar from its start; reading stops at the end of the file. Throws AppError LIMIT_EXCEEDED.
 */
export async function readLayerFile(
  open: () => Promise<AsyncIterable<Uint8Array>>,
  wanted: WantedFile,
): Promise<Uint8Array | undefined> {
  const found = await scan(await open(), wanted);
  if (found === undefined || found instanceof Uint8Array) return found;
  return readLayerFile(open, { ...wanted, path: found.target });
}

type Found = { readonly target: string } | Uint8Array | undefined;

async function scan(tar: AsyncIterable<Uint8Array>, wanted: WantedFile): Promise<Found> {
  let content: Uint8Array | undefined;
  let filled = 0;
  for await (const event of tarEvents(tar)) {
    if (event.kind === 'content' && content !== undefined) {
      content.set(event.bytes, filled);
      filled += event.bytes.length;
    } else if (event.kind === 'entry' && event.entry.path === wanted.path) {
      if (event.entry.kind !== 'file') return linkOf(event.entry);
      content = new Uint8Array(checkedSize(event.entry.size, wanted));
    }
    if (filled === content?.length) return content;
  }
  return undefined;
}

async function* tarEvents(tar: AsyncIterable<Uint8Array>): AsyncGenerator<TarEvent> {
  const reader = createTarReader();
  for await (const piece of tar) yield* reader.push(piece);
}

function linkOf(entry: TarEntry): Found {
  return entry.kind === 'hardlink' ? { target: entry.linkTarget } : undefined;
}

function checkedSize(size: number, { path, maxBytes }: WantedFile): number {
  if (size <= maxBytes) return size;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `File ${path} of the layer has ${size} bytes, the limit is ${maxBytes}.`,
    { hint: `Make ${path} smaller.`, context: { size, limit: maxBytes } },
  );
}
