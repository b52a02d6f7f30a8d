import type { Firestore } from '@google-cloud/firestore';

/** What the store uses of the library; loaded when it is first needed. */
export interface FirestoreClient {
  readonly firestore: Firestore;
  readonly library: typeof import('@google-cloud/firestore');
}

/** Which database is meant. */
export interface FirestoreSettings {
  readonly projectId: string;
  /** `(default)`, or the id of another one. */
  readonly databaseId: string;
}

/** A client made once, with the application default credentials. */
export function createFirestoreClient({ projectId, databaseId }: FirestoreSettings) {
  let opening: Promise<FirestoreClient> | undefined;
  async function load(): Promise<FirestoreClient> {
    const module = await import('@google-cloud/firestore');
    // A bundle that is split gives a CommonJS module as `default` alone.
    const library = 'Firestore' in module ? module : (module as { default: typeof module }).default;
    const firestore = new library.Firestore({ projectId, databaseId, preferRest: false });
    return { firestore, library };
  }
  return {
    open(): Promise<FirestoreClient> {
      opening ??= load();
      return opening;
    },
    async close(): Promise<void> {
      await (await opening)?.firestore.terminate();
    },
  };
}
