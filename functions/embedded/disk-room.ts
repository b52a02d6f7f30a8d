import { statfs } from 'node:fs/promises';
import { LIMITS } from '../../shared/api/limits.ts';

/** One line for people when there is little room where the data is; null: there is enough, or nobody can tell. */
export async function littleRoom(
  path: string,
  needed: number = LIMITS.firstUploadBytes,
): Promise<string | null> {
  const free = await statfs(path).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Number.POSITIVE_INFINITY,
  );
  if (free >= needed) return null;
  return `Only ${sizeText(free)} are free where ${path} is; code, environments and logs of a first sweep may need ${sizeText(needed)}. Free some space, or name a directory on a larger disk with --data_dir.`;
}

function sizeText(bytes: number): string {
  const mebibytes = Math.floor(bytes / 1024 ** 2);
  return mebibytes < 1024 ? `${mebibytes} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}
