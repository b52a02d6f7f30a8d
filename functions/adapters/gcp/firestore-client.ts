import { AsyncLocalStorage } from 'node:async_hooks';
import type * as Sdk from '@google-cloud/firestore';
import { namedExports } from './commonjs-module.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';
import { GRPC } from './google-errors.ts';
import { withDeadline } from './with-deadline.ts';

/** Which Firestore is spoken to. */
export interface FirestoreSettings {
  readonly projectId: string;
  /** `(default)`, or the name of another database of the project. */
  readonly databaseId: string;
  readonly endpoint?: GoogleEndpoint;
}

/** The client, and the library whose values it takes. */
export interface LoadedFirestore {
  readonly firestore: Sdk.Firestore;
  readonly library: Pick<typeof Sdk, 'Firestore' | 'Timestamp' | 'FieldPath' | 'FieldValue'>;
}

/** A client made when it is first needed. */
export interface FirestoreClient {
  /** Runs calls that all end within a time (ms), its own retries of reads too; the first of all waits for the client before. Throws DeadlineError, or what a call threw. */
  within<T>(deadlineMs: number, call: (firestore: LoadedFirestore) => Promise<T>): Promise<T>;
  /** Waits for calls that are on their way, a few seconds beyond their deadlines at most. */
  close(): Promise<void>;
}

/** After the deadline of gRPC, before this process gives up by itself: signing in and waiting between retries have no other deadline (ms). */
const SLACK_MS = 250;
/**
 * The first call loads the generated client, signs in and connects, which takes seconds on a small machine. A read of nothing does that:
 * at the expense of a commit's own deadline, its outcome would be unknown though it was never sent.
 */
const WARM_UP_MS = 10_000;

/** A client with the application default credentials; it repeats reads, never a commit. */
export function createFirestoreClient(settings: FirestoreSettings): FirestoreClient {
  const until = new AsyncLocalStorage<number>();
  let loading: Promise<LoadedFirestore> | undefined;

  async function load(): Promise<LoadedFirestore> {
    const module = await import('@google-cloud/firestore');
    const library = namedExports(module, 'Firestore');
    const { projectId, databaseId, endpoint = null } = settings;
    const place = endpoint === null ? {} : { host: endpoint, ssl: true };
    const firestore = new library.Firestore({ projectId, databaseId, ...place });
    limitCalls(firestore, () => (until.getStore() ?? performance.now()) - performance.now());
    // Whether it worked is told to the call that follows.
    await limited(WARM_UP_MS, () => firestore.doc('lanes/k').get()).catch(() => undefined);
    return { firestore, library };
  }

  // Calls that are still on their way, given up or not: the library cannot be closed below them.
  const running = new Set<Promise<unknown>>();

  function limited<T>(deadlineMs: number, call: () => Promise<T>): Promise<T> {
    const answer = until.run(performance.now() + deadlineMs, call);
    running.add(answer);
    const gone = () => running.delete(answer);
    answer.then(gone, gone);
    return withDeadline(deadlineMs + SLACK_MS, () => answer);
  }

  return {
    async within(deadlineMs, call) {
      loading ??= load();
      const loaded = await loading;
      return await limited(deadlineMs, () => call(loaded));
    },
    async close() {
      const loaded = await loading;
      await Promise.allSettled(running);
      await loaded?.firestore.terminate();
    },
  };
}

/**
 * The library repeats a commit after ABORTED, RESOURCE_EXHAUSTED and UNAVAILABLE. After UNAVAILABLE the first one may be done: the second
 * would then find its own write, and tell that a precondition failed. It has no setting against that, and none for deadlines, so the one
 * method that makes the options of every call (9.4.1: src/index.ts, createCallOptions) is wrapped: no retry for commits, and the time
 * that is left for all. test/adapters/firestore-faults.test.ts counts the commits on the wire.
 */
function limitCalls(firestore: Sdk.Firestore, leftMs: () => number): void {
  const original: unknown = Reflect.get(firestore, 'createCallOptions');
  if (typeof original !== 'function') {
    throw new TypeError(
      'this @google-cloud/firestore has no createCallOptions: its retries cannot be turned off',
    );
  }
  const limited = (method: string): object => {
    const options: object = Reflect.apply(original, firestore, [method]);
    const end = performance.now() + leftMs();
    const bounded = {
      ...options,
      // There are two layers of retries for streams: the inner one knows no end.
      retryRequestOptions: { retries: 0, noResponseRetries: 0 },
      // Asked for by each try of a call.
      get timeout() {
        const left = Math.round(end - performance.now());
        if (left > 0) return left;
        // Not repeated, other than a deadline that was missed.
        throw Object.assign(new Error('no time is left'), { code: GRPC.cancelled });
      },
    };
    return method === 'commit' ? Object.assign(bounded, { retry: null }) : bounded;
  };
  Reflect.set(firestore, 'createCallOptions', limited);
}
