import type { MiddlewareHandler } from 'hono';
import { LIMITS } from '../../../shared/api/limits.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Clock } from '../../ports/runtime.ts';
import { ADMIN_CHECK_PATH } from '../admin-check.ts';
import type { ApiEnv } from '../api-host.ts';

/**
 * Answers DEADLINE_EXCEEDED when a request is not answered in time; the head of a stream is its answer. Layer bytes (PUT),
 * their verification and the check of all records have longer. What the request began may still take effect: every request can be repeated.
 */
export function deadline(clock: Clock): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { method, path } = c.req;
    const longer = method === 'PUT' || path.endsWith('/complete') || path === ADMIN_CHECK_PATH;
    const limitMs = longer ? LIMITS.uploadMs : LIMITS.requestMs;
    const answered = new AbortController();
    const late = clock.sleep(limitMs, answered.signal).then(() => {
      throw new AppError('DEADLINE_EXCEEDED', `No answer within ${limitMs / 1_000} seconds.`, {
        hint: 'Send the request again.',
        context: { limitMs },
      });
    });
    // Once answered, the wait ends by rejecting.
    late.catch(() => {});
    try {
      await Promise.race([next(), late]);
    } finally {
      answered.abort(ANSWERED);
    }
  };
}

// One reason for all: making an error for each request costs more than the rest of this.
const ANSWERED = new Error('answered');
