import { AppError } from '../../../shared/errors/app-error.ts';
import { gcsBucket } from './gcs-bucket.ts';
import { createGcsClient, type GcsSettings } from './gcs-client.ts';

/** Plain objects: build contexts and build logs. All throw AppError UNAVAILABLE. */
export interface GcsObjects {
  /** Writes an object that is not there yet. Gives its generation, or that of the one which is there already. */
  put(
    bucket: string,
    name: string,
    content: { readonly bytes: Uint8Array; readonly contentType: string },
  ): Promise<{ readonly generation: string }>;
  /** At most `maxBytes` (at least 1) from `offset` on, and the object's size by now. Undefined: no such object. */
  readRange(
    bucket: string,
    name: string,
    range: { readonly offset: number; readonly maxBytes: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly size: number } | undefined>;
}

/** Objects of any bucket that the service account may use. The client is loaded at the first call. */
export function createGcsObjects(settings: GcsSettings): GcsObjects {
  const client = createGcsClient(settings);
  return {
    async put(bucketName, name, { bytes, contentType }) {
      const bucket = gcsBucket(client, bucketName);
      const generation =
        (await bucket.write(name, bytes, { contentType, replaces: '0' })) ??
        (await bucket.stat(name))?.generation;
      if (generation !== undefined) return { generation };
      throw new AppError('UNAVAILABLE', `Object ${name} came and went while it was written.`, {
        hint: 'Try again in a moment.',
      });
    },
    readRange: (bucketName, name, range) => gcsBucket(client, bucketName).readRange(name, range),
  };
}
