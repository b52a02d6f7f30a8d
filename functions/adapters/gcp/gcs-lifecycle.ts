/** A rule of a bucket's lifecycle, as the JSON API writes it (buckets resource, `lifecycle.rule`, read 2026-11). */
export interface LifecycleRule {
  readonly action: { readonly type: 'Delete' };
  /** `age` in days since the generation was made. */
  readonly condition: { readonly age: number; readonly matchesPrefix: readonly string[] };
}

/** Folders of the layer bucket. */
export const LAYER_PREFIX = {
  layers: 'layers/',
  staging: 'staging/',
  sessions: 'sessions/',
} as const;

/** Days after which an upload that nobody finished, or the memory of a refused one, is given up by the service itself. */
export const MAX_UPLOAD_DAYS = 7;

/**
 * What Cloud Storage removes by itself from the layer bucket: leftovers that the service's own sweep did not reach. Layers stay. Unfinished
 * resumable sessions end by themselves after a week.
 */
export const bucketLifecycle: readonly LifecycleRule[] = [
  {
    action: { type: 'Delete' },
    condition: {
      age: MAX_UPLOAD_DAYS + 1,
      matchesPrefix: [LAYER_PREFIX.staging, LAYER_PREFIX.sessions],
    },
  },
];
