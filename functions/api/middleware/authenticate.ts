import type { MiddlewareHandler } from 'hono';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Authenticator } from '../../ports/authenticator.ts';
import type { ApiEnv } from '../api-host.ts';

const BEARER = /^Bearer +([\x21-\x7e]+)$/i;

/** Lets only requests with a known bearer token pass, and says who is calling. */
export function authenticate(authenticator: Authenticator): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const token = BEARER.exec(c.req.header('Authorization') ?? '')?.[1];
    const principal = token === undefined ? undefined : await authenticator.authenticate(token);
    if (principal === undefined) {
      throw new AppError(
        'UNAUTHENTICATED',
        token === undefined ? 'The request has no bearer token.' : 'The token is not known here.',
        { hint: 'Send Authorization: Bearer TOKEN; the CLI reads CALIBAN_TOKEN.' },
      );
    }
    c.set('principal', principal);
    await next();
  };
}
