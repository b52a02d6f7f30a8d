import { join } from 'node:path';
import { type LayerDisk, TEMPORARY_SUFFIX } from './layer-disk.ts';
import { FAILURE_RECORD, parseRecord, SESSION_RECORD } from './layer-records.ts';
import type { UploadParts } from './layer-uploads.ts';

/** An upload that nobody began again for so long is given up; so is the memory of a refusal. */
const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000;

/** Removes expired uploads, old refusals and leftovers of crashes. Returns how many layers were swept. */
export async function sweepStaging(parts: UploadParts, now: number): Promise<number> {
  const { disk, paths } = parts;
  const names = await disk.list(paths.staging);
  for (const name of names) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await sweepTemporary(disk, join(paths.staging, name), now);
  }
  const diffIds = new Set(names.map((name) => name.slice(0, name.indexOf('.'))));
  let swept = 0;
  for (const diffId of diffIds) {
    if (/^[0-9a-f]{64}$/.test(diffId) && (await sweepLayer(parts, diffId, now))) swept++;
  }
  return swept;
}

function sweepLayer(parts: UploadParts, diffId: string, now: number): Promise<boolean> {
  const { disk, lock, paths, shelf, staging } = parts;
  return lock(diffId, async () => {
    const session = parseRecord(SESSION_RECORD, await disk.readText(paths.session(diffId)));
    const failure = parseRecord(FAILURE_RECORD, await disk.readText(paths.failure(diffId)));
    const isVerified = (await shelf.find(diffId)) !== undefined;
    const isOld = (time: number | undefined) => time === undefined || time < now - MAX_AGE_MS;
    const endsFailure = failure !== undefined && (isVerified || isOld(failure.failedAt));
    const endsSession = isVerified || failure !== undefined || isOld(session?.begunAt);
    if (endsFailure) await disk.remove(paths.failure(diffId));
    if (endsSession) await staging.close(diffId, isVerified ? 'published' : 'ended');
    return endsFailure || (endsSession && session !== undefined);
  });
}

async function sweepTemporary(disk: LayerDisk, path: string, now: number): Promise<void> {
  const file = await disk.stat(path);
  if (file !== undefined && file.modifiedAt < now - MAX_AGE_MS) await disk.remove(path);
}
