import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { TAR_BLOCK, tarPadding } from '../../../shared/layers/tar-header.ts';
import type { WantedImage } from '../images/image-plan.ts';
import { tarHeader } from '../images/tar-header.ts';

/** What a build gets, as an archive. */
export interface BuildContext {
  /** From its content: the same files have the same name. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The Dockerfile and the files of an image as a `.tar.gz`. The same image makes the same bytes. */
export function buildContext({
  dockerfile,
  files,
}: Pick<WantedImage, 'dockerfile' | 'files'>): BuildContext {
  const entries = [['Dockerfile', Buffer.from(dockerfile)] as const, ...files];
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const blocks = sorted.flatMap(([path, bytes]) => fileEntry(path, bytes));
  const tar = Buffer.concat([...blocks, Buffer.alloc(2 * TAR_BLOCK)]);
  const hash = createHash('sha256').update(tar).digest('hex');
  return { name: `${hash}.tar.gz`, bytes: gzipSync(tar, { level: 9 }) };
}

function fileEntry(path: string, bytes: Uint8Array): Uint8Array[] {
  const isShort = path.length <= 100 && /^[\x20-\x7e]*$/.test(path);
  const extension = isShort ? [] : paxEntry(path);
  return [...extension, ...entry(isShort ? path : 'file', bytes, 'file')];
}

// POSIX pax: one record `LENGTH path=PATH\n`, whose length counts itself.
function paxEntry(path: string): Uint8Array[] {
  const rest = Buffer.byteLength(` path=${path}\n`);
  let length = rest + 1;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return entry('path', Buffer.from(`${length} path=${path}\n`), 'extension');
}

function entry(
  name: string,
  bytes: Uint8Array,
  kind: Parameters<typeof tarHeader>[0]['kind'],
): Uint8Array[] {
  const header = tarHeader({ name, size: bytes.length, kind, mode: '644', owner: 0 });
  return [header, bytes, Buffer.alloc(tarPadding(bytes.length))];
}
