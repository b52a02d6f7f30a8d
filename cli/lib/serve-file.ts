import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { healthView } from '../../shared/api/service.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { JobSetting } from './job-setting.ts';

const jobLimits = z.object({ cpus: z.number().nullable(), memoryBytes: z.number().nullable() });

/** What a running `serve` writes into its data directory. */
const serveFile = z.object({
  schemaVersion: z.number().int().min(1),
  instance: z.string().min(1),
  address: z.url({ protocol: /^https?$/ }),
  tokenFile: z.string().min(1),
  pid: z.number().int().min(1),
  /** Why jobs run where they do, when nobody asked for it; that there is little room. */
  note: z.string().nullable().default(null),
  // Older services do not tell these.
  platform: z.string().nullable().default(null),
  slots: z.number().int().nullable().default(null),
  limits: jobLimits.nullable().default(null),
});

/** A `serve` found alive. */
export interface FoundServe {
  /** Without a slash at its end. */
  readonly address: string;
  readonly instance: string;
  readonly pid: number;
  readonly note: string | null;
  /** Where and how jobs run, as far as it tells. */
  readonly jobs: JobSetting;
  /** Null when the file with it cannot be read by this user. */
  readonly token: string | null;
}

/** What is known of the `serve` of a data directory; `silent`: its process lives but does not answer in time. */
export type SoughtServe =
  | { readonly state: 'none' }
  | { readonly state: 'silent'; readonly serve: FoundServe }
  | { readonly state: 'answers'; readonly serve: FoundServe };

const HEALTH_TIMEOUT_MS = 2_000;
const LATE = Symbol('late');

/**
 * The `serve` of a data directory, or null when none runs. Throws UNAVAILABLE when its process lives but does not
 * answer, SCHEMA_TOO_NEW.
 */
export async function findServe(dataDir: string, signal: AbortSignal): Promise<FoundServe | null> {
  const sought = await seekServe(dataDir, signal);
  if (sought.state === 'none') return null;
  if (sought.state === 'answers') return sought.serve;
  throw silentServe(sought.serve);
}

/** The failure for one whose process lives but does not answer. */
export function silentServe({ pid }: FoundServe): AppError {
  return new AppError(
    'UNAVAILABLE',
    `process ${pid} runs but does not answer (is the machine very busy?)`,
    { hint: 'Try again later, or end it with: caliban serve --stop' },
  );
}

/**
 * Looks for the `serve` of a data directory. Whoever listens at the address is asked for its instance, without
 * the token, before anything else is sent: the file may be left over from a crash and the port taken by a stranger.
 * Throws SCHEMA_TOO_NEW.
 */
export async function seekServe(dataDir: string, signal: AbortSignal): Promise<SoughtServe> {
  const written = await readServeFile(dataDir);
  if (written === null) return { state: 'none' };
  const address = written.address.replace(/\/+$/, '');
  const answer = await askInstance(address, signal);
  if (answer === LATE ? !isRunning(written.pid) : answer !== written.instance) {
    return { state: 'none' };
  }
  const tokenFile = resolve(dataDir, written.tokenFile);
  const token = await readFile(tokenFile, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
  const { instance, pid, note, platform, slots, limits } = written;
  const serve = { address, instance, pid, note, jobs: { platform, slots, limits }, token };
  return { state: answer === LATE ? 'silent' : 'answers', serve };
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

// Undefined: nobody who is a service of ours listens there.
async function askInstance(
  address: string,
  signal: AbortSignal,
): Promise<string | typeof LATE | undefined> {
  const deadline = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
  try {
    const response = await fetch(`${address}/healthz`, {
      redirect: 'error',
      signal: AbortSignal.any([signal, deadline]),
    });
    const health = healthView.safeParse(parseJson(await response.text()));
    return response.ok && health.success ? health.data.instance : undefined;
  } catch {
    signal.throwIfAborted();
    return deadline.aborted ? LATE : undefined;
  }
}

/** Whether a process runs; one that has ended and that nobody has reaped, as in a container without an init, does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process runs, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  try {
    // proc(5): the state follows the name, which is in parentheses and may hold anything.
    return !/\) Z[^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true; // no /proc here
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
