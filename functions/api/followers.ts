import { AppError } from '../../shared/errors/app-error.ts';

const RETRY_AFTER_MS = 5_000;

/** Places for connections that follow something; there are so many and no more. */
export interface Followers {
  /** Takes a place; call the result once to give it back. Throws UNAVAILABLE when all are taken. */
  take(): () => void;
}

/** `limit` places. */
export function createFollowers(limit: number): Followers {
  let taken = 0;
  return {
    take() {
      if (taken >= limit) {
        throw new AppError('UNAVAILABLE', `${limit} connections follow logs or events already.`, {
          hint: 'Ask again later, or read without following.',
          context: { limit, retryAfterMs: RETRY_AFTER_MS },
        });
      }
      taken += 1;
      let given = false;
      return () => {
        if (!given) taken -= 1;
        given = true;
      };
    },
  };
}
