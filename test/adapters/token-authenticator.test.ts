import { test } from 'vitest';
import { createTokenAuthenticator } from '../../functions/adapters/tokens/token-authenticator.ts';
import { authenticatorContract } from '../contract/authenticator.ts';

const ADA = { token: 'ada-4f0c1d7f2b8e4a6d', principal: { id: 'ada', role: 'admin' } } as const;
const EVE = { token: 'eve-90b1c2d3e4f5a6b7', principal: { id: 'eve', role: 'viewer' } } as const;

authenticatorContract('tokens', async () => ({
  authenticator: createTokenAuthenticator([ADA, EVE]),
  known: [ADA, EVE],
}));

test('without tokens nobody is known', async ({ expect }) => {
  expect(await createTokenAuthenticator([]).authenticate(ADA.token)).toBeUndefined();
});

test('a token that could be guessed is refused, and not shown', ({ expect }) => {
  const short = { token: 'short', principal: { id: 'ada', role: 'admin' } } as const;
  expect(() => createTokenAuthenticator([short])).toThrow(
    'The token of ada has 5 characters; at least 20 are needed.',
  );
});

test('one token for two principals is refused', ({ expect }) => {
  const shared = { token: ADA.token, principal: EVE.principal };
  expect(() => createTokenAuthenticator([ADA, shared])).toThrow('stands for two principals');
});
