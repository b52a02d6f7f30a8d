import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toErrorBody } from '../../shared/api/error.ts';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import { hostBusy, troubleOf } from '../ports/host-trouble.ts';
import type { Log } from '../ports/runtime.ts';
import type { ApiEnv } from './api-host.ts';

const DEFAULT_RETRY_AFTER_MS = 1_000;

/** Answers any thrown error in the one error form; what is not expected is logged with its stack and never shown. */
export function errorAnswer(log: Log): (error: Error, c: Context<ApiEnv>) => Response {
  return (error, c) => {
    const expected = expectedOf(error);
    const requestId = c.get('requestId');
    if (expected.status === 500) {
      log.error({ requestId, path: c.req.path, error: error.stack ?? String(error) }, 'defect');
    }
    // An operator has to know, and nothing else says it but the answer.
    if (expected.code === 'HOST_BUSY') {
      log.warn({ requestId, path: c.req.path, error: expected.message }, 'refused for now');
    }
    return answerError(c, expected);
  };
}

/** The answer for an expected failure. */
export function answerError(c: Context<ApiEnv>, error: AppError): Response {
  if (error.status === 503) c.header('Retry-After', retryAfterSeconds(error));
  if (error.status === 401) c.header('WWW-Authenticate', 'Bearer realm="caliban"');
  return c.json(
    toErrorBody(error, c.get('requestId')),
    // Statuses of the catalog all have a body.
    error.status as ContentfulStatusCode,
  );
}

function expectedOf(error: Error): AppError {
  if (isAppError(error)) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new AppError('REQUEST_INVALID', error.message || 'The request is not understood.', {
      cause: error,
    });
  }
  if (troubleOf(error) === 'scarce') return hostBusy(error);
  return new AppError('INTERNAL', 'The service has a defect.', {
    hint: 'Report the request id; the log of the service has the details.',
    cause: error,
  });
}

function retryAfterSeconds(error: AppError): string {
  const asked = error.context?.['retryAfterMs'];
  const ms = typeof asked === 'number' ? asked : DEFAULT_RETRY_AFTER_MS;
  return String(Math.max(1, Math.ceil(ms / 1_000)));
}
