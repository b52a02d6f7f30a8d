import { hash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Authenticator, Principal } from '../../ports/authenticator.ts';

/** A token and whom it stands for. */
export interface NamedToken {
  readonly token: string;
  readonly principal: Principal;
}

/** The sha256 of a token (hex), and whom it stands for: a setting that holds no secret. */
export interface TokenDigest {
  readonly sha256: string;
  readonly principal: Principal;
}

const MIN_LENGTH = 20;

/**
 * Knows a fixed list of tokens, of which it keeps the digests. Throws SERVE_REFUSED for a token of less than 20 characters, or one given
 * twice.
 */
export function createTokenAuthenticator(tokens: readonly NamedToken[]): Authenticator {
  for (const { token, principal } of tokens) checkToken(token, principal);
  return createDigestAuthenticator(
    tokens.map(({ token, principal }) => ({ sha256: hash('sha256', token), principal })),
  );
}

/**
 * Knows tokens by their digests, and compares each time all of them, so that the time tells nothing. Throws SERVE_REFUSED for one that is
 * given twice.
 */
export function createDigestAuthenticator(tokens: readonly TokenDigest[]): Authenticator {
  const known = tokens.map(({ sha256, principal }) => ({
    digest: Buffer.from(sha256, 'hex'),
    principal,
  }));
  if (new Set(known.map(({ digest }) => digest.toString('hex'))).size < known.length) {
    throw new AppError('SERVE_REFUSED', 'One token stands for two principals.', {
      hint: 'Give each principal its own token.',
    });
  }
  return {
    async authenticate(token) {
      const digest = hash('sha256', token, 'buffer');
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
