import pLimit from 'p-limit';
import { isAppError } from '../../../../../shared/errors/app-error.ts';
import { parseImageReference } from '../../../../../shared/image/reference.ts';
import type { ImageLookup } from '../../../../ports/registry.ts';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import type { Images } from './images.ts';

/** Images being fetched in the background. */
export interface ImagePulls {
  /** Where the fetching of a reference stands; begins it when it was not begun. */
  look(reference: string): ImageLookup;
  /** Waits until nothing is under way. */
  close(): Promise<void>;
}

const PULLS_AT_ONCE = 3;
/** A failure is remembered so long (ms), so that who asks again and again does not ask the registry each time. */
const FAILURE_MS = 30_000;

type Pull =
  | { readonly state: 'pending'; readonly done: Promise<void> }
  | { readonly state: 'failed'; readonly message: string; readonly until: number };

/** Fetches each reference once at a time. */
export function createImagePulls(deps: {
  readonly images: Pick<Images, 'pull'>;
  readonly clock: Clock;
  readonly log: Log;
}): ImagePulls {
  const { images, clock, log } = deps;
  const pulls = new Map<string, Pull>();
  const limit = pLimit(PULLS_AT_ONCE);

  async function pull(reference: string): Promise<void> {
    const { repository, tag, digest } = parseImageReference(reference);
    log.info({ image: reference }, 'fetching an image');
    try {
      // Without a version the engine would fetch all there are.
      await images.pull({ repository, version: digest ?? tag ?? 'latest' });
      log.info({ image: reference }, 'fetched an image');
      pulls.delete(reference);
    } catch (error) {
      log.warn({ err: error, image: reference }, 'an image could not be fetched');
      pulls.delete(reference);
      // An engine that does not answer says so when it is asked the next time.
      if (isAppError(error, 'UNAVAILABLE')) return;
      const message = error instanceof Error ? error.message : String(error);
      pulls.set(reference, { state: 'failed', message, until: clock.now() + FAILURE_MS });
    }
  }

  function forgetFailures(): void {
    for (const [reference, known] of pulls) {
      if (known.state === 'failed' && known.until <= clock.now()) pulls.delete(reference);
    }
  }

  return {
    look(reference) {
      forgetFailures();
      const known = pulls.get(reference);
      if (known?.state === 'failed') return notFetched(reference, known.message);
      if (known === undefined) {
        pulls.set(reference, { state: 'pending', done: limit(() => pull(reference)) });
      }
      return { state: 'pending' };
    },
    async close() {
      for (const known of [...pulls.values()]) if (known.state === 'pending') await known.done;
    },
  };
}

function notFetched(reference: string, words: string): ImageLookup {
  const isRefused = /denied|unauthorized|authentication|no basic auth/i.test(words);
  return {
    state: 'absent',
    message: `The image ${reference} is not on this machine, and could not be fetched: ${words.replace(/\.*$/, '.')}`,
    hint: isRefused
      ? `Check its name. caliban fetches without a login; if it is private: docker login, then docker pull ${reference} on the machine of the service. What is there is used as it is.`
      : `Check its name and tag, and the network of the Docker engine; or docker pull ${reference} on the machine of the service.`,
  };
}
