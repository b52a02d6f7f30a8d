import pLimit from 'p-limit';
import type { GcsBucket, GcsObject } from './gcs-bucket.ts';
import { openedAtOf } from './gcs-layer-records.ts';
import { LAYER_PREFIX, MAX_UPLOAD_DAYS } from './gcs-lifecycle.ts';

const MAX_AGE_MS = MAX_UPLOAD_DAYS * 24 * 60 * 60 * 1000;
/** Pages of 1,000 names that one call looks at in each folder; the bucket's own lifecycle has the rest. */
const MAX_PAGES = 10;
const MAX_REMOVED = 500;
const REMOVALS_AT_ONCE = 8;

/**
 * Removes uploads that were opened more than 7 days before `now`, and refusals as old: at most 500 objects a call. Bytes go before the
 * session that names them. Returns the number of layers swept.
 */
export async function sweepUploads(bucket: GcsBucket, now: number): Promise<number> {
  const limit = pLimit(REMOVALS_AT_ONCE);
  const swept = new Set<string>();
  let left = MAX_REMOVED;
  for (const prefix of [LAYER_PREFIX.staging, LAYER_PREFIX.sessions]) {
    const old = await oldObjects(bucket, { prefix, before: now - MAX_AGE_MS, atMost: left });
    left -= old.length;
    await limit.map(old, async ({ name, generation }) => {
      await bucket.remove(name, generation);
      swept.add(name.slice(prefix.length).replace(/[/.].*$/, ''));
    });
  }
  return swept.size;
}

async function oldObjects(
  bucket: GcsBucket,
  wanted: { readonly prefix: string; readonly before: number; readonly atMost: number },
): Promise<GcsObject[]> {
  const found: GcsObject[] = [];
  let pageToken: string | undefined;
  for (let page = 0; page < MAX_PAGES && found.length < wanted.atMost; page++) {
    const { objects, next } = await bucket.list(wanted.prefix, pageToken);
    found.push(...objects.filter((object) => openedAtOf(object) < wanted.before));
    pageToken = next;
    if (pageToken === undefined) break;
  }
  return found.slice(0, wanted.atMost);
}
