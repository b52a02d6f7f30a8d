import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { UploadSink } from '../../functions/ports/layer-store.ts';
import type { BuiltLayer } from './tar-builder.ts';

/** Sends a whole blob, in pieces of so many bytes. */
export async function sendBlob(
  sink: UploadSink,
  { declaration, blob }: Pick<BuiltLayer, 'declaration' | 'blob'>,
  pieceBytes = 64 * 1024,
): Promise<void> {
  const total = declaration.blobSize;
  const range = { bytes: { first: 0, last: total - 1 }, total };
  await sink.receive(declaration.diffId, range, inPieces(blob, pieceBytes));
}

/** Bytes as a body. */
export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A temporary directory that goes with the test. */
export async function aTemporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'caliban-layers-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Every file below a directory, sorted, as paths relative to it. */
export async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}
