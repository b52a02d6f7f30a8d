import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { ERROR_CATALOG, EXIT } from '../../../../shared/errors/catalog.ts';

const entries = Object.entries(ERROR_CATALOG);

describe('error catalog', () => {
  test('no code is written twice: the later one would silently win', ({ expect }) => {
    const source = readFileSync(
      new URL('../../../../shared/errors/catalog.ts', import.meta.url),
      'utf8',
    );
    const written = [...source.matchAll(/^ {2}([A-Z_]+): \{ status/gm)].map((found) => found[1]);
    expect(written).toEqual([...new Set(written)]);
    expect(written).toEqual(entries.map(([code]) => code));
  });

  test('codes are upper-case words, statuses are errors, exits are documented numbers', ({
    expect,
  }) => {
    const exits: readonly number[] = Object.values(EXIT);
    for (const [code, { status, exit }] of entries) {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(status, code).toBeLessThan(600);
      expect(exits, code).toContain(exit);
    }
  });

  test('exit statuses are told apart, and none is success', ({ expect }) => {
    const exits: readonly number[] = Object.values(EXIT);
    expect(new Set(exits).size).toBe(exits.length);
    expect(exits).not.toContain(0);
  });

  test('only INTERNAL is a bug', ({ expect }) => {
    const bugs = entries.filter(([, { exit }]) => exit === EXIT.bug).map(([code]) => code);
    expect(bugs).toEqual(['INTERNAL']);
  });

  test('sign-in failures are 401 or 403, missing things 404, and both exit as such', ({
    expect,
  }) => {
    for (const [code, { status, exit }] of entries) {
      expect(exit === EXIT.auth, code).toBe(status === 401 || status === 403);
      expect(exit === EXIT.notFound, code).toBe(status === 404);
    }
  });
});
