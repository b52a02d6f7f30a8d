import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import type { JobSetting } from './settings.ts';

/** Where the one-machine service keeps things. */
export interface DataDir {
  readonly path: string;
  readonly database: string;
  readonly lock: string;
  readonly serveFile: string;
  readonly tokenFile: string;
  readonly layers: string;
  readonly platform: string;
  readonly docker: string;
  readonly builds: string;
  readonly images: string;
  readonly log: string;
}

/** The places below a data directory; makes nothing. */
export function dataDirAt(path: string): DataDir {
  return {
    path,
    database: join(path, 'service.db'),
    lock: join(path, 'serve.lock'),
    serveFile: join(path, 'serve.json'),
    tokenFile: join(path, 'token'),
    layers: join(path, 'layers'),
    platform: join(path, 'process'),
    docker: join(path, 'docker'),
    builds: join(path, 'builds'),
    images: join(path, 'images'),
    log: join(path, 'logs', 'service.log'),
  };
}

/** Makes the directory, for its owner alone. Throws AppError DATA_DIR_UNUSABLE. */
export async function makeDataDir(path: string): Promise<DataDir> {
  try {
    await makeWithParents(path);
  } catch (error) {
    throw new AppError(
      'DATA_DIR_UNUSABLE',
      `Cannot make the data directory ${path}: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'Name another one with --data_dir or CALIBAN_HOME.',
        cause: error,
      },
    );
  }
  return dataDirAt(path);
}

/** Makes a directory and those above it, one by one: Node's own `recursive` never ends where the system makes nothing, as below /proc. */
export async function makeWithParents(path: string, mode = 0o700): Promise<void> {
  const make = () => mkdir(path, { mode });
  await make().catch(async (error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeWithParents(dirname(path), mode);
    await make();
  });
}

// What can be sent in a header and is not guessed.
const TOKEN = /^[!-~]{20,}$/;

/**
 * The directory's bearer token: the given one, the one that is there, or a new one; mode 0600. `isNew`: show it once. Throws
 * AppErrors SERVE_REFUSED for one that is too short or not printable, before anything is written, and DATA_DIR_UNUSABLE.
 */
export async function keepToken(
  dir: DataDir,
  given: string | null,
): Promise<{ readonly token: string; readonly isNew: boolean }> {
  if (given !== null)
    checkToken(
      given,
      'The token given with --token',
      'Give a longer random one, or leave out --token to get one made.',
    );
  const before = await readToken(dir.tokenFile);
  if (given === null && before !== '')
    checkToken(
      before,
      `The token in ${dir.tokenFile}`,
      'Remove the file to get a new one made, or give another with --token.',
    );
  const token = given ?? (before === '' ? randomBytes(32).toString('base64url') : before);
  if (token !== before) await replacePrivate(dir.tokenFile, `${token}\n`);
  await chmod(dir.tokenFile, 0o600);
  return { token, isNew: token !== before && given === null };
}

function checkToken(token: string, name: string, hint: string): void {
  if (TOKEN.test(token)) return;
  throw new AppError(
    'SERVE_REFUSED',
    `${name} has ${token.length} characters; at least 20 are needed, all printable ASCII without spaces.`,
    { hint },
  );
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new AppError('DATA_DIR_UNUSABLE', `Cannot read the token in ${path}: ${String(error)}.`, {
      hint: 'Give the file back to your user, or remove it to get a new token.',
      cause: error,
    });
  }
}

// By rename, for its owner alone: a reader sees all or nothing.
async function replacePrivate(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
}

interface RunningPlace {
  readonly instance: string;
  readonly address: string;
  readonly note: string | null;
}

/** Says who serves and where; by rename, so that a reader sees all or nothing. */
export async function writeServeFile(
  dir: DataDir,
  serve: JobSetting & RunningPlace,
): Promise<void> {
  const content = { schemaVersion: 1, ...serve, tokenFile: dir.tokenFile, pid: process.pid };
  await replacePrivate(dir.serveFile, `${JSON.stringify(content)}\n`);
}

/** Takes the word back. */
export function removeServeFile(dir: DataDir): Promise<void> {
  return rm(dir.serveFile, { force: true });
}
