import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import {
  dataDirAt,
  keepToken,
  makeDataDir,
  removeServeFile,
  writeServeFile,
} from '../../../../functions/embedded/data-dir.ts';
import { aTemporaryDirectory } from '../../../doubles/layer-upload.ts';

const GIVEN = 'given-token-of-a-user';

describe('data directory', () => {
  test('naming its places makes nothing', async ({ expect }) => {
    const parent = await aTemporaryDirectory();
    const dir = dataDirAt(join(parent, 'home'));
    expect(dir.database).toBe(join(parent, 'home', 'service.db'));
    expect(await readdir(parent)).toEqual([]);
  });

  test('all its places are inside it, and none is another', ({ expect }) => {
    const { path, ...places } = dataDirAt('/data');
    const named = Object.values(places);
    expect(named.every((place) => place.startsWith(`${path}/`))).toBe(true);
    expect(new Set(named).size).toBe(named.length);
  });

  test('is made with its parents, for its owner alone', async ({ expect }) => {
    const dir = await makeDataDir(join(await aTemporaryDirectory(), 'deep', 'home'));
    expect(await modeOf(dir.path)).toBe(0o700);
  });

  test('one that is there is kept', async ({ expect }) => {
    const path = join(await aTemporaryDirectory(), 'home');
    await writeFile(join((await makeDataDir(path)).path, 'kept'), 'x');
    await makeDataDir(path);
    expect(await readdir(path)).toEqual(['kept']);
  });

  test('where none can be made, the refusal names the place and the settings', async ({
    expect,
  }) => {
    const file = join(await aTemporaryDirectory(), 'file');
    await writeFile(file, '');
    await expect(makeDataDir(join(file, 'home'))).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: expect.stringContaining(file),
      hint: expect.stringMatching(/--data_dir.*CALIBAN_HOME/),
    });
  });
});

describe('token of a data directory', () => {
  test('a new one is made once, shown once, and readable by its owner alone', async ({
    expect,
  }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    const first = await keepToken(dir, null);
    expect(first).toEqual({ token: expect.stringMatching(/^[\w-]{43}$/), isNew: true });
    expect(await modeOf(dir.tokenFile)).toBe(0o600);
    expect(await keepToken(dir, null)).toEqual({ token: first.token, isNew: false });
  });

  test('two directories have two tokens', async ({ expect }) => {
    const tokens = await Promise.all(
      [1, 2].map(async () => keepToken(await makeDataDir(await aTemporaryDirectory()), null)),
    );
    expect(tokens[0]?.token).not.toBe(tokens[1]?.token);
  });

  test('a given one replaces what was there, and is not shown', async ({ expect }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    await keepToken(dir, null);
    expect(await keepToken(dir, GIVEN)).toEqual({ token: GIVEN, isNew: false });
    expect(await readFile(dir.tokenFile, 'utf8')).toBe(`${GIVEN}\n`);
    expect(await keepToken(dir, null)).toEqual({ token: GIVEN, isNew: false });
  });

  test('one that can be guessed or not be sent is refused before it is written', async ({
    expect,
  }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    for (const given of ['', 'x'.repeat(19), `${GIVEN} `, `${GIVEN}\u00e9`]) {
      await expect(keepToken(dir, given), given).rejects.toMatchObject({
        code: 'SERVE_REFUSED',
        message: expect.stringMatching(/--token .* 20 /),
      });
    }
    expect(await readdir(dir.path)).toEqual([]);
  });

  test('a bad one in the file is refused with what to do; a given one replaces it', async ({
    expect,
  }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    await writeFile(dir.tokenFile, 'short\n');
    await expect(keepToken(dir, null)).rejects.toMatchObject({
      code: 'SERVE_REFUSED',
      message: expect.stringContaining(dir.tokenFile),
      hint: expect.stringContaining('Remove the file'),
    });
    expect(await keepToken(dir, GIVEN)).toEqual({ token: GIVEN, isNew: false });
  });

  test('a file that others can read is closed to them', async ({ expect }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    await keepToken(dir, GIVEN);
    await chmod(dir.tokenFile, 0o644);
    await keepToken(dir, null);
    expect(await modeOf(dir.tokenFile)).toBe(0o600);
  });
});

const limits = { cpus: null, memoryBytes: null };
const TOLD = { platform: 'process', slots: 2, limits, note: null } as const;

describe('serve file', () => {
  test('says who serves and where, and leaves no draft behind', async ({ expect }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    await writeServeFile(dir, { instance: 'one', address: 'http://127.0.0.1:1', ...TOLD });
    await writeServeFile(dir, { instance: 'two', address: 'http://127.0.0.1:2', ...TOLD });
    expect(JSON.parse(await readFile(dir.serveFile, 'utf8'))).toEqual({
      schemaVersion: 1,
      instance: 'two',
      ...TOLD,
      address: 'http://127.0.0.1:2',
      tokenFile: dir.tokenFile,
      pid: process.pid,
    });
    expect(await readdir(dir.path)).toEqual(['serve.json']);
    expect(await modeOf(dir.serveFile)).toBe(0o600);
  });

  test('is taken back, also when it is gone', async ({ expect }) => {
    const dir = await makeDataDir(await aTemporaryDirectory());
    await writeServeFile(dir, { instance: 'one', address: 'http://127.0.0.1:1', ...TOLD });
    await removeServeFile(dir);
    await removeServeFile(dir);
    expect(await readdir(dir.path)).toEqual([]);
  });
});

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

test('a place where the system makes no directories is refused at once', async ({ expect }) => {
  await expect(makeDataDir('/proc/caliban-test/deeper')).rejects.toMatchObject({
    code: 'DATA_DIR_UNUSABLE',
  });
});
