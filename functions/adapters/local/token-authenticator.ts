import { hash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Authenticator, Principal } from '../../ports/authenticator.ts';

/** A token and whom it stands for. */
export interface NamedToken {
  readonly token: string;
  readonly principal: Principal;
}

const MIN_LENGTH = 20;

/**
 * Knows a fixed list of tokens. Keeps and compares only their digests, each time all of them, so that the time tells nothing.
 * Throws SERVE_REFUSED for a token of less than 20 characters, or one given twice.
 */
export function createTokenAuthenticator(tokens: readonly NamedToken[]): Authenticator {
  for (const { token, principal } of tokens) checkToken(token, principal);
  const known = tokens.map(({ token, principal }) => ({ digest: digestOf(token), principal }));
  if (new Set(known.map(({ digest }) => digest.toString('hex'))).size < known.length) {
    throw new AppError('SERVE_REFUSED', 'One token stands for two principals.', {
      hint: 'Give each principal its own token.',
    });
  }
  return {
    async authenticate(token) {
      const digest = digestOf(token);
      let found: Principal | undefined;
      for (const each of known) {
        if (timingSafeEqual(each.digest, digest)) found = each.principal;
      }
      return found;
    },
  };
}

function checkToken(token: string, principal: Principal): void {
  if (token.length >= MIN_LENGTH) return;
  throw new AppError(
    'SERVE_REFUSED',
    `The token of ${principal.id} has ${token.length} characters; at least ${MIN_LENGTH} are needed.`,
    { hint: 'Use a random one.' },
  );
}

function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}
