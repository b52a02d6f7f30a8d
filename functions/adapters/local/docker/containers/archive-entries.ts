import type { Readable } from 'node:stream';
import {
  isZeros,
  parseTarHeader,
  TAR_BLOCK,
  type TarHeader,
  tarPadding,
} from '../../../../../shared/layers/tar-header.ts';
import type { TarEntry } from '../../../../../shared/layers/tar-reader.ts';
import { type ArchiveBytes, archiveBytes } from './archive-bytes.ts';

/** One entry of an archive that the engine made of a container's files. Its names may be anything. */
export interface ArchiveEntry extends Omit<TarEntry, 'kind'> {
  readonly kind: TarEntry['kind'] | 'other';
  /** Of a file; to be read before the next entry, or not at all. */
  readonly content: AsyncIterable<Buffer>;
}

/** So long (ms) an engine may give nothing. */
const IDLE_MS = 60_000;
/** A name has 4096 bytes at most, an attribute of a file 64 KiB. */
const MAX_EXTENSION_BYTES = 1024 * 1024;
const KINDS: Readonly<Record<string, ArchiveEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

/** What extension headers say of the entry that follows. */
interface Extension {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

/**
 * Reads an archive of the engine: of whatever a job has made. Unlike a layer (tar-reader.ts) it may have pipes, devices, attributes, and
 * names that are no UTF-8. Throws EngineSilent when nothing comes any more, and Error when it breaks off. Ends the stream.
 */
export async function* archiveEntries(stream: Readable): AsyncGenerator<ArchiveEntry> {
  const bytes = archiveBytes(stream, IDLE_MS);
  let extension: Extension = {};
  try {
    for (;;) {
      const block = await bytes.take(TAR_BLOCK);
      if (isZeros(block)) return;
      const header = parseTarHeader(block);
      if ('xLKg'.includes(header.type)) {
        extension = { ...extension, ...(await readExtension(bytes, header)) };
        continue;
      }
      const size = extension.size ?? header.size;
      const reading = contentReader(bytes, size);
      yield { ...entryOf(header, extension), size, content: reading.content };
      await bytes.skip(reading.left() + tarPadding(size));
      extension = {};
    }
  } finally {
    stream.destroy();
  }
}

function entryOf(header: TarHeader, extension: Extension) {
  return {
    path: (extension.path ?? textOf(header.name)).replace(/\/+$/, ''),
    kind: KINDS[header.type] ?? ('other' as const),
    linkTarget: extension.linkpath ?? textOf(header.linkName),
    executable: (header.mode & 0o100) !== 0,
  };
}

function contentReader(bytes: ArchiveBytes, size: number) {
  let left = size;
  async function* content(): AsyncGenerator<Buffer> {
    while (left > 0) {
      const piece = await bytes.some(left);
      left -= piece.length;
      yield piece;
    }
  }
  return { content: content(), left: () => left };
}

async function readExtension(bytes: ArchiveBytes, { type, size }: TarHeader): Promise<Extension> {
  if (size > MAX_EXTENSION_BYTES) throw new Error('The engine gave too long a header.');
  const text = await bytes.take(size);
  await bytes.skip(tarPadding(size));
  if (type === 'L') return { path: untilNul(text) };
  if (type === 'K') return { linkpath: untilNul(text) };
  return type === 'x' ? paxOf(text) : {};
}

// Records `<length> <keyword>=<value>\n`.
function paxOf(text: Buffer): Extension {
  const found = new Map<string, string>();
  for (let at = 0; at < text.length; ) {
    const length = Number.parseInt(text.toString('latin1', at, at + 10), 10);
    if (!(length > 0)) throw new Error('The engine gave a header that cannot be read.');
    const record = text.toString('utf8', text.indexOf(' ', at) + 1, at + length - 1);
    const equals = record.indexOf('=');
    found.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  const path = found.get('path');
  const linkpath = found.get('linkpath');
  const size = found.get('size');
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkpath === undefined ? {} : { linkpath }),
    ...(size === undefined ? {} : { size: Number(size) }),
  };
}

function untilNul(text: Buffer): string {
  const end = text.indexOf(0);
  return text.toString('utf8', 0, end === -1 ? text.length : end);
}

function textOf(name: Uint8Array): string {
  return Buffer.from(name).toString();
}
