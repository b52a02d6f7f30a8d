import { open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes a file so that it survives the machine's sudden end, once its directory is synced too. */
export async function writeSynced(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o644);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes names created in a directory, or renamed into it, durable. */
export function syncDirectory(path: string): Promise<void> {
  return syncFile(path);
}

/** Replaces a file as a whole: readers see the old text or the new one (after a power cut perhaps an empty file). */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

/** The code of a failed system call (`ENOENT`, …), or undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The result, or null when the file it asks for is not there. */
export async function orAbsent<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Replaces a file of a directory as a whole; the new text survives the machine's sudden end. */
export async function placeDurably(directory: string, name: string, text: string): Promise<void> {
  const path = join(directory, name);
  await writeSynced(`${path}.tmp`, text);
  await rename(`${path}.tmp`, path);
  await syncDirectory(directory);
}

/** Makes the content of a file durable. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
