import { join } from 'node:path';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { storeContract } from '../contract/store.ts';
import { temporaryDirectory } from './temporary-directory.ts';

storeContract('sqlite', async (clock) => {
  const directory = temporaryDirectory();
  const store = await openSqliteStore({ path: join(directory.path, 'service.db'), clock });
  return {
    store,
    async close() {
      store.close();
      directory.remove();
    },
  };
});
