import { createMemoryAuthenticator } from '../../functions/adapters/memory/memory-authenticator.ts';
import { authenticatorContract } from '../contract/authenticator.ts';

authenticatorContract('memory', async () => {
  const ada = { id: 'ada', role: 'admin' } as const;
  const eve = { id: 'eve', role: 'viewer' } as const;
  return {
    authenticator: createMemoryAuthenticator({ 'token-of-ada': ada, 'token-of-eve': eve }),
    known: [
      { token: 'token-of-ada', principal: ada },
      { token: 'token-of-eve', principal: eve },
    ],
  };
});
