import { afterAll, beforeAll, describe, vi } from 'vitest';
import { createFirestoreStore } from '../../functions/adapters/gcp/firestore-store.ts';
import { storeContract } from '../contract/store.ts';
import {
  type FirestoreEmulator,
  freshProject,
  startFirestoreEmulator,
} from '../fixtures/firestore-emulator.ts';
import { hasPart } from '../fixtures/require.ts';
import { temporaryDirectory } from './temporary-directory.ts';

describe.runIf(hasPart('emulators'))('over the emulator', () => {
  const directory = temporaryDirectory();
  let emulator: FirestoreEmulator;

  beforeAll(async () => {
    emulator = await startFirestoreEmulator(directory.path);
    vi.stubEnv('FIRESTORE_EMULATOR_HOST', emulator.host);
  }, 60_000);

  afterAll(async () => {
    vi.unstubAllEnvs();
    await emulator.close();
    directory.remove();
  });

  storeContract('firestore', async () => {
    const store = createFirestoreStore({
      projectId: freshProject(),
      databaseId: '(default)',
    });
    return { store, close: () => store.close() };
  });
});
