import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Context } from './context.ts';
import { dataDirectory, variable } from './env.ts';
import type { Io } from './io.ts';
import { findServe } from './serve-file.ts';

/** Where requests go, and who said so. */
export interface Endpoint {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
  readonly origin: 'flag' | 'environment' | 'file' | 'serve';
}

/**
 * The service to use: `--endpoint`, CALIBAN_ENDPOINT, what `endpoint set` saved, or a running `serve` of the
 * data directory; null when there is none. Throws USAGE for what is no address.
 */
export async function findEndpoint(ctx: Context): Promise<Endpoint | null> {
  const { io, options } = ctx;
  const envToken = variable(io.env, 'CALIBAN_TOKEN') ?? null;
  const flag = options.text('endpoint');
  if (flag !== undefined) {
    const url = parseServiceUrl(flag, '--endpoint');
    return { url, token: options.text('token') ?? envToken, origin: 'flag' };
  }
  const fromEnv = variable(io.env, 'CALIBAN_ENDPOINT');
  if (fromEnv !== undefined) {
    const url = parseServiceUrl(fromEnv, 'CALIBAN_ENDPOINT');
    return { url, token: options.text('token') ?? envToken, origin: 'environment' };
  }
  const saved = await readSavedEndpoint(io);
  if (saved !== null) {
    return { url: saved.url, token: options.text('token') ?? saved.token, origin: 'file' };
  }
  const serve = await findServe(ctx.dataDir, io.signal);
  if (serve === null) return null;
  return { url: serve.address, token: options.text('token') ?? serve.token, origin: 'serve' };
}

/** An http(s) address without a slash at its end; throws USAGE naming where it was given. */
export function parseServiceUrl(text: string, givenBy: string): string {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new AppError('USAGE', `${givenBy} ${text} is not the address of a service.`, {
      hint: 'Give it as https://HOST or http://HOST:PORT.',
    });
  }
  if (parsed.search !== '' || parsed.hash !== '' || parsed.username !== '') {
    throw new AppError('USAGE', `${givenBy} must be an address without user, query or fragment.`, {
      hint: 'A token is given with --token or CALIBAN_TOKEN.',
    });
  }
  return parsed.href.replace(/\/+$/, '');
}

const endpointFile = z.object({
  schemaVersion: z.literal(1),
  url: z.string(),
  token: z.string().nullable(),
});

/** The file that `endpoint set` writes: in CALIBAN_HOME when that is set, else in ~/.config/caliban. */
export function endpointFilePath(io: Pick<Io, 'env' | 'home' | 'cwd'>): string {
  const inHome = variable(io.env, 'CALIBAN_HOME') !== undefined;
  const folder = inHome ? dataDirectory(io, undefined) : join(io.home, '.config', 'caliban');
  return join(folder, 'endpoint.json');
}

/** What `endpoint set` saved, or null; throws USAGE when the file is damaged. */
export async function readSavedEndpoint(
  io: Io,
): Promise<{ url: string; token: string | null } | null> {
  const path = endpointFilePath(io);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new AppError('USAGE', `${path} cannot be read (${error.code}).`, { cause: error });
  });
  if (text === null) return null;
  try {
    const { url, token } = endpointFile.parse(JSON.parse(text));
    return { url: parseServiceUrl(url, path), token };
  } catch (cause) {
    throw new AppError('USAGE', `${path} is damaged.`, {
      hint: 'Write it anew: caliban endpoint set URL\nOr remove it: caliban endpoint unset',
      cause,
    });
  }
}

/** Saves the service to use, readable by this user only. */
export async function saveEndpoint(io: Io, url: string, token: string | null): Promise<string> {
  const path = endpointFilePath(io);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}.tmp`;
  await writeFile(fresh, `${JSON.stringify({ schemaVersion: 1, url, token }, null, 2)}\n`, {
    mode: 0o600,
  });
  await rename(fresh, path);
  return path;
}

/** Forgets the saved service. */
export async function forgetEndpoint(io: Io): Promise<void> {
  await rm(endpointFilePath(io), { force: true });
}
