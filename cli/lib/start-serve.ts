import { type ChildProcess, spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { access, mkdir, open, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { AppError } from '../../shared/errors/app-error.ts';
import { EXIT } from '../../shared/errors/catalog.ts';
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
 * is found; when another one was about to end, it is started again. A directory made for one that cannot start is removed.
 * Throws DATA_DIR_UNUSABLE, SERVE_REFUSED in its words, NO_SERVICE with the end of what it wrote.
 */
export async function startServe(
  io: Io,
  dataDir: string,
  flags: StartFlags = { words: [], token: null, indexUrl: null },
): Promise<StartedServe> {
  const hadToken = await hasToken(dataDir, flags);
  let started = await launch(io, dataDir, flags);
  const { made } = started;
  const until = io.clock.now() + START_TIMEOUT_MS;
  for (;;) {
    const sought = await seekServe(dataDir, io.signal);
    if (sought.state === 'answers') {
      const { serve } = sought;
      return { ...serve, newToken: !hadToken && serve.pid === started.pid ? serve.token : null };
    }
    if (io.clock.now() > until) throw await tooLate(sought, started.log);
    const hasLost = await lost(started, { now: io.clock.now(), dataDir, made });
    if (hasLost) started = await launch(io, dataDir, flags);
    await io.clock.sleep(POLL_MS, io.signal);
  }
}

/** A process that was started, and how it ended. */
interface Launched {
  readonly pid: number | undefined;
  readonly log: StartLog;
  /** The topmost directory that had to be made for it. */
  readonly made: string | undefined;
  ended(): { readonly status: number; readonly at: number } | null;
}

/** What a start writes: the file from a place on. */
interface StartLog {
  readonly path: string;
  readonly from: number;
}

// Status 0 before it listened: it lost the race for the directory. The winner is about to listen, or was about to end.
async function lost(
  { ended, log }: Launched,
  at: { readonly now: number; readonly dataDir: string; readonly made: string | undefined },
): Promise<boolean> {
  const end = ended();
  if (end === null) return false;
  if (end.status === 0) return at.now - end.at > RACE_MS;
  const what = `ended with status ${end.status}`;
  const error =
    (end.status === EXIT.usage ? await refusal(log) : null) ??
    (await startFailed(log, what, at.made === undefined));
  if (at.made !== undefined) await takeBack(log, at.dataDir, at.made);
  throw error;
}

// It has taken back its own files; the log and the directories are ours.
async function takeBack(log: StartLog, dataDir: string, made: string): Promise<void> {
  await rm(log.path, { force: true });
  for (let folder = dataDir; folder.startsWith(made); folder = dirname(folder)) {
    const isGone = await rmdir(folder).then(
      () => true,
      () => false, // somebody else keeps something there
    );
    if (!isGone) return;
  }
}

async function launch(io: Io, dataDir: string, flags: StartFlags): Promise<Launched> {
  const { child, log, made } = await spawnServe(io, dataDir, flags);
  let ended: ReturnType<Launched['ended']> = null;
  child.once('exit', (status) => {
    ended = { status: status ?? -1, at: io.clock.now() };
  });
  return { pid: child.pid, log, made, ended: () => ended };
}

async function tooLate(sought: SoughtServe, log: StartLog): Promise<AppError> {
  if (sought.state === 'silent') return silentServe(sought.serve);
  return startFailed(log, `does not answer after ${START_TIMEOUT_MS / 1_000} seconds`);
}

async function spawnServe(
  io: Io,
  dataDir: string,
  { words: flags, token, indexUrl }: StartFlags,
): Promise<{ child: ChildProcess; log: StartLog; made: string | undefined }> {
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
    const made = await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const path = join(dataDir, 'serve.log');
    const log = await open(path, 'a', 0o600);
    try {
      const { size: from } = await log.stat();
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
      return { child, log: { path, from }, made };
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

// A refused flag is told as it is without --detach, in the words of the process that was started.
async function refusal({ path, from }: StartLog): Promise<AppError | null> {
  const log = await text(createReadStream(path, { start: from })).catch(() => '');
  const [, message, hint = ''] = /^error: (.+)\n?([\s\S]*)/m.exec(log.trimEnd()) ?? [];
  if (message === undefined) return null;
  return new AppError('SERVE_REFUSED', message, hint === '' ? {} : { hint });
}

async function startFailed(
  { path, from }: StartLog,
  what: string,
  isKept = true,
): Promise<AppError> {
  const log = await text(createReadStream(path, { start: from })).catch(() => '');
  const end = log.trimEnd().split('\n').slice(-5).join('\n');
  const where = isKept ? `At the end of ${path}` : 'What it wrote';
  return new AppError('NO_SERVICE', `The service that was started ${what}.`, {
    hint: end === '' ? 'It wrote nothing.' : `${where}:\n${end}`,
  });
}
