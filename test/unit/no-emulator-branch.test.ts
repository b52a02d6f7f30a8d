import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

// What a branch for emulators or doubles would have to name. The libraries of Google read such variables themselves.
const BRANCH =
  /emulator_?(?:host|mode: true)|\b(?:FIRESTORE|PUBSUB|STORAGE)_EMULATOR|NODE_ENV|VITEST|isDev\b|isTest\b|createInsecure/i;

test('no product code knows of emulators or tests', ({ expect }) => {
  const files = globSync('{functions,cli,shared}/**/*.ts', { cwd: root });
  expect(files.length).toBeGreaterThan(300);
  const found = files.filter((file) => BRANCH.test(readFileSync(`${root}${file}`, 'utf8')));
  expect(found).toEqual([]);
});

test('the pattern finds what it is for', ({ expect }) => {
  for (const line of [
    "if (process.env['FIRESTORE_EMULATOR_HOST'])",
    'sslCreds: grpc.credentials.createInsecure()',
    'if (isDev) return',
    "env.NODE_ENV === 'test'",
  ]) {
    expect(BRANCH.test(line), line).toBe(true);
  }
});
