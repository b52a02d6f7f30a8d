import { createMemoryStore } from '../../functions/adapters/memory/memory-store.ts';
import { storeContract } from '../contract/store.ts';

storeContract('memory', async (clock) => ({
  store: createMemoryStore({ clock }),
  close: async () => {},
}));
