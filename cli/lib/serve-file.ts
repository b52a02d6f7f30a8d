import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { healthView } from '../../shared/api/service.ts';
import { AppError } from '../../shared/errors/app-error.ts';

/** What a running `serve` writes into its data directory. */
const serveFile = z.object({
  schemaVersion: z.number().int().min(1),
  instance: z.string().min(1),
  address: z.url({ protocol: /^https?$/ }),
  tokenFile: z.string().min(1),
  pid: z.number().int().min(1),
});

/** A `serve` found alive. */
export interface FoundServe {
  /** Without a slash at its end. */
  readonly address: string;
  readonly instance: string;
  readonly pid: number;
  /** Null when the file with it cannot be read by this user. */
  readonly token: string | null;
}

const HEALTH_TIMEOUT_MS = 2_000;

/**
 * The `serve` of a data directory, or null when none runs. Whoever listens at the address is asked for its
 * instance, without the token, before anything else is sent: the file may be left over from a crash and
 * the port taken by a stranger. Throws SCHEMA_TOO_NEW.
 */
export async function findServe(dataDir: string, signal: AbortSignal): Promise<FoundServe | null> {
  const written = await readServeFile(dataDir);
  if (written === null) return null;
  const address = written.address.replace(/\/+$/, '');
  if (!(await answersAs(address, written.instance, signal))) return null;
  const tokenFile = resolve(dataDir, written.tokenFile);
  const token = await readFile(tokenFile, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
  return { address, instance: written.instance, pid: written.pid, token };
}

async function readServeFile(dataDir: string): Promise<z.infer<typeof serveFile> | null> {
  const path = join(dataDir, 'serve.json');
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  const parsed = serveFile.safeParse(parseJson(text));
  if (!parsed.success) return null;
  if (parsed.data.schemaVersion > 1) {
    throw new AppError(
      'SCHEMA_TOO_NEW',
      `${path} has version ${parsed.data.schemaVersion}; this caliban knows version 1.`,
      { hint: 'Use the caliban that started the service, or stop that service.' },
    );
  }
  return parsed.data;
}

async function answersAs(address: string, instance: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`${address}/healthz`, {
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(HEALTH_TIMEOUT_MS)]),
    });
    const health = healthView.safeParse(parseJson(await response.text()));
    return response.ok && health.success && health.data.instance === instance;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
