import { describe, test } from 'vitest';
import type { Authenticator, Principal } from '../../functions/ports/authenticator.ts';

/** An authenticator under test that knows these tokens and no others. */
export interface OpenedAuthenticator {
  readonly authenticator: Authenticator;
  readonly known: readonly { readonly token: string; readonly principal: Principal }[];
}

/** What every Authenticator must do, as tests. `open` gives one that knows at least two tokens. */
export function authenticatorContract(
  name: string,
  open: () => Promise<OpenedAuthenticator>,
): void {
  describe(`Authenticator: ${name}`, () => {
    test('each token stands for its own principal', async ({ expect }) => {
      const { authenticator, known } = await open();
      expect(known.length).toBeGreaterThanOrEqual(2);
      for (const { token, principal } of known) {
        expect(await authenticator.authenticate(token)).toEqual(principal);
      }
    });

    test('nothing that only resembles a token is one', async ({ expect }) => {
      const { authenticator, known } = await open();
      for (const { token } of known) {
        const similar = [
          '',
          ' ',
          token.slice(0, -1),
          `${token}x`,
          ` ${token}`,
          `${token}\n`,
          `${token}\0`,
          token.toUpperCase() === token ? token.toLowerCase() : token.toUpperCase(),
          token.repeat(1_000),
          '__proto__',
          'constructor',
        ];
        for (const text of similar) {
          expect(await authenticator.authenticate(text), JSON.stringify(text)).toBeUndefined();
        }
      }
    });

    test('the same token is known however often it is asked for', async ({ expect }) => {
      const { authenticator, known } = await open();
      const [first] = known;
      const asked = Array.from({ length: 50 }, () =>
        authenticator.authenticate(first?.token ?? ''),
      );
      for (const principal of await Promise.all(asked)) expect(principal).toEqual(first?.principal);
    });
  });
}
