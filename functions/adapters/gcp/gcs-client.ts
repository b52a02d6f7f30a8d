import type { Storage } from '@google-cloud/storage';
import { createDownload, type Download } from './gcs-download.ts';

/** Where buckets are. */
export interface GcsSettings {
  readonly projectId: string;
  /**
   * Base URL of a private endpoint, as in `https://storage.googleapis.com`; null: the public one. Only one of `https:` is shown
   * an access token.
   */
  readonly endpoint: string | null;
}

/** Both ways to ask Cloud Storage. */
export interface GcsClient {
  /** The client library, loaded and made at its first use, once. */
  storage(): Promise<Storage>;
  readonly download: Download;
}

/** A call must not outlast the request of the service that waits for it. */
const CALL_TIMEOUT_MS = 30_000;
const RETRIES = { autoRetry: true, maxRetries: 3, maxRetryDelay: 8, totalTimeout: 40 } as const;

/**
 * The client repeats what failed in passing, but only calls that carry a precondition on the generation; a single write without
 * one would turn repetition off for every later call (storage 8.4.0).
 */
export function createGcsClient(settings: GcsSettings): GcsClient {
  const { projectId, endpoint } = settings;
  let storage: Promise<Storage> | undefined;
  return {
    storage() {
      storage ??= import('@google-cloud/storage').then(({ Storage }) => {
        const options = { projectId, retryOptions: RETRIES, timeout: CALL_TIMEOUT_MS };
        if (endpoint === null) return new Storage(options);
        // An access token never crosses a network in the clear.
        const useAuthWithCustomEndpoint = endpoint.startsWith('https:');
        return new Storage({ ...options, apiEndpoint: endpoint, useAuthWithCustomEndpoint });
      });
      return storage;
    },
    download: createDownload(settings),
  };
}
