import { type ChildProcess, spawn } from 'node:child_process';
import { access, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Io } from './io.ts';
import { type FoundServe, type SoughtServe, seekServe, silentServe } from './serve-file.ts';

/** How long a started service may take to listen. */
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
/** After so long without a winner who lost the race tries again: it may have met a service that was ending. */
const RACE_MS = 500;
/** A service that nobody asked for ends by itself after so long without a live job. */
const DETACHED_IDLE_MINUTES = 30;

/** How to start one. */
export interface StartFlags {
  /** As typed: `--port=8080`. */
  readonly words: readonly string[];
  /** A given token; it never stands in a command line, which everyone on the machine can read. */
  readonly token: string | null;
  /** Likewise: it may hold a password. */
  readonly indexUrl: string | null;
}

/** A service that was started, or found because another command was faster. */
export interface StartedServe extends FoundServe {
  /** The token, when this start made it; to be shown once. */
  readonly newToken: string | null;
}

/**
 * Starts a detached `serve` of the data directory and waits until it answers. When another one was faster, that one
 * is found; when another one was about to end, it is started again. Throws DATA_DIR_UNUSABLE, NO_SERVICE with the end of
 * its log.
 */
export async function startServe(
  io: Io,
  dataDir: string,
  flags: StartFlags = { words: [], token: null, indexUrl: null },
): Promise<StartedServe> {
  const logPath = join(dataDir, 'serve.log');
  const hadToken = await hasToken(dataDir, flags);
  let started = await launch(io, dataDir, flags);
  const until = io.clock.now() + START_TIMEOUT_MS;
  for (;;) {
    const sought = await seekServe(dataDir, io.signal);
    if (sought.state === 'answers') {
      const { serve } = sought;
      return { ...serve, newToken: !hadToken && serve.pid === started.pid ? serve.token : null };
    }
    if (io.clock.now() > until) throw await tooLate(sought, logPath);
    if (await hasLost(started, io.clock.now(), logPath)) started = await launch(io, dataDir, flags);
    await io.clock.sleep(POLL_MS, io.signal);
  }
}

/** A process that was started, and how it ended. */
interface Launched {
  readonly pid: number | undefined;
  ended(): { readonly status: number; readonly at: number } | null;
}

// Status 0 before it listened: it lost the race for the directory. The winner is about to listen, or was about to end.
async function hasLost(started: Launched, now: number, logPath: string): Promise<boolean> {
  const ended = started.ended();
  if (ended === null) return false;
  if (ended.status !== 0) throw await startFailed(logPath, `ended with status ${ended.status}`);
  return now - ended.at > RACE_MS;
}

async function launch(io: Io, dataDir: string, flags: StartFlags): Promise<Launched> {
  const child = await spawnServe(io, dataDir, flags);
  let ended: ReturnType<Launched['ended']> = null;
  child.once('exit', (status) => {
    ended = { status: status ?? -1, at: io.clock.now() };
  });
  return { pid: child.pid, ended: () => ended };
}

async function tooLate(sought: SoughtServe, logPath: string): Promise<AppError> {
  if (sought.state === 'silent') return silentServe(sought.serve);
  return startFailed(logPath, `does not answer after ${START_TIMEOUT_MS / 1_000} seconds`);
}

async function spawnServe(
  io: Io,
  dataDir: string,
  { words: flags, token, indexUrl }: StartFlags,
): Promise<ChildProcess> {
  const [program, ...words] = io.self;
  const idle = flags.some((flag) => flag.startsWith('--idle_minutes'))
    ? []
    : [`--idle_minutes=${DETACHED_IDLE_MINUTES}`];
  const env = {
    ...io.env,
    ...(token === null ? {} : { CALIBAN_SERVE_TOKEN: token }),
    ...(indexUrl === null ? {} : { CALIBAN_INDEX_URL: indexUrl }),
  };
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const log = await open(join(dataDir, 'serve.log'), 'a', 0o600);
    try {
      const child = spawn(
        program,
        [...words, 'serve', `--data_dir=${dataDir}`, '--detached_child', ...idle, ...flags],
        { detached: true, stdio: ['ignore', log.fd, log.fd], cwd: dataDir, env },
      );
      await new Promise((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      child.unref();
      return child;
    } finally {
      await log.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('DATA_DIR_UNUSABLE', `No service can be started in ${dataDir}: ${reason}.`, {
      hint: 'Choose another directory with --data_dir or CALIBAN_HOME.',
      cause,
    });
  }
}

async function hasToken(dataDir: string, { token }: StartFlags): Promise<boolean> {
  if (token !== null) return true;
  return access(join(dataDir, 'token')).then(
    () => true,
    () => false,
  );
}

async function startFailed(logPath: string, what: string): Promise<AppError> {
  const log = await readFile(logPath, 'utf8').catch(() => '');
  const end = log.trimEnd().split('\n').slice(-5).join('\n');
  return new AppError('NO_SERVICE', `The service that was started ${what}.`, {
    hint: end === '' ? `Its log ${logPath} is empty.` : `The end of ${logPath}:\n${end}`,
  });
}
