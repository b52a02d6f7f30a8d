import type { Authenticator, Principal } from '../../ports/authenticator.ts';

/** Knows the tokens of a table; for tests, whose tokens are no secrets. */
export function createMemoryAuthenticator(
  principals: Readonly<Record<string, Principal>>,
): Authenticator {
  const known = new Map(Object.entries(principals));
  return { authenticate: async (token) => known.get(token) };
}
