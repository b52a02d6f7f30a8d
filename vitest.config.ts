import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** gRPC clients trust the doubles of Google's APIs; the variable is read when grpc-js is loaded. */
const GRPC_DEFAULT_SSL_ROOTS_FILE_PATH = fileURLToPath(
  new URL('test/doubles/google-api/tls/ca.pem', import.meta.url),
);

/** One project per kind of test; `check` runs unit and adapters, `npm test` runs all. */
export default defineConfig({
  test: {
    // Conditions are waited for: on a busy machine that may take a while.
    expect: { poll: { timeout: 20_000 } },
    env: { METADATA_SERVER_DETECTION: 'none', NO_COLOR: '1', GRPC_DEFAULT_SSL_ROOTS_FILE_PATH },
    projects: [
      // Unit tests share no state but modules: one context for all halves their time.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: { name: 'adapters', include: ['test/adapters/**/*.test.ts'], testTimeout: 30_000 },
      },
      {
        extends: true,
        test: { name: 'sim', include: ['test/sim/**/*.test.ts'], testTimeout: 240_000 },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], testTimeout: 240_000 },
      },
    ],
  },
});
