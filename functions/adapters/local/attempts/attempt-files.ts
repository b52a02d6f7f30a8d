import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { appendFile, mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import { troubleOf } from '../../../ports/host-trouble.ts';
import { PlatformRefusal } from '../../../ports/platform.ts';
import { asDiskError } from '../disk-errors.ts';
import { orAbsent, replaceFile, syncDirectory, systemCode, writeSynced } from '../durable-file.ts';
import {
  type AttemptEnd,
  type AttemptSpec,
  type AttemptStart,
  parseEnd,
  parseExit,
  parseSpec,
  parseStart,
} from './attempt-record.ts';

const NEVER = 'never\n';
/** When to ask again for what the disk had no room for. */
const ROOM_MS = 10_000;

/**
 * The files of attempts: `attempts/<2 hex>/<ref>/` each, and `live/<ref>` while the service has to look at it: empty, or the boot of the
 * machine in which its program was to be started.
 * A ref is `<job id>.<attempt>`. In an attempt's directory: `spec.json` (what to run), `started` (who may start it, created once),
 * `stop` (its end was asked for), `log`, `exit.json` (the supervisor's word), `end.json` (ours, never changed), `work/`
 * (of a container: the files that were kept of it).
 */
export interface AttemptFiles {
  directory(ref: string): string;
  /**
   * False when the attempt is there already, or when `mayStill` says no at the last moment: nothing was made. Throws PlatformRefusal
   * while the machine takes nothing: its disk has no room, or it can open no more files.
   */
  create(spec: AttemptSpec, mayStill: () => boolean): Promise<boolean>;
  exists(ref: string): Promise<boolean>;
  readSpec(ref: string): Promise<AttemptSpec | null>;
  /** Creates `started` in the supervisor's place, so that it never starts; false when it was created before. */
  forbidStart(ref: string): Promise<boolean>;
  readStart(ref: string): Promise<AttemptStart | null>;
  requestStop(ref: string): Promise<void>;
  isStopRequested(ref: string): Promise<boolean>;
  readExit(ref: string): Promise<{ readonly exitCode: number; readonly at: number } | null>;
  readEnd(ref: string): Promise<AttemptEnd | null>;
  writeEnd(ref: string, end: AttemptEnd): Promise<void>;
  /** Refs of all attempts of a job, in the order of their numbers. */
  attemptsOf(jobId: string): Promise<readonly string[]>;
  live(): Promise<readonly string[]>;
  markLive(ref: string): Promise<void>;
  /** Notes durably that its program is to be started in this boot of the machine. */
  markLaunch(ref: string, boot: string): Promise<void>;
  /** The boot in which its program was last to be started, or null. */
  launchedIn(ref: string): Promise<string | null>;
  /** Takes it out of `live`. */
  retire(ref: string): Promise<void>;
}

/** Opens the files below a directory; what a crash left half made is removed. */
export async function openAttemptFiles(dir: string): Promise<AttemptFiles> {
  const temporaries = join(dir, 'tmp');
  const liveDir = join(dir, 'live');
  await rm(temporaries, { recursive: true, force: true });
  for (const path of [temporaries, liveDir, join(dir, 'attempts')]) {
    await mkdir(path, { recursive: true });
  }
  const bucket = (jobId: string) => join(dir, 'attempts', bucketName(jobId));
  const directory = (ref: string) => attemptDirectory(dir, ref);
  const text = (ref: string, file: string) => textOf(join(directory(ref), file));
  // Keeps what it says.
  const markLive = (ref: string) => appendFile(join(liveDir, ref), '');
  let made = 0;

  async function create(spec: AttemptSpec, mayStill: () => boolean): Promise<boolean> {
    const ref = refOf(spec.job);
    made += 1;
    const temporary = join(temporaries, `${ref}.${made}`);
    const home = bucket(spec.job.jobId);
    const isNewBucket = await orNoRoom(temporary, async () => {
      await mkdir(temporary);
      await writeSynced(join(temporary, 'spec.json'), JSON.stringify(spec));
      const isNew = (await mkdir(home, { recursive: true })) !== undefined;
      await markLive(ref);
      return isNew;
    });
    const placed = mayStill() && (await place(temporary, directory(ref)));
    if (!placed) {
      await rm(temporary, { recursive: true, force: true });
      return false;
    }
    const changed = [home, liveDir, ...(isNewBucket ? [join(dir, 'attempts')] : [])];
    await Promise.all(changed.map(syncDirectory));
    return true;
  }

  return {
    directory,
    create,
    exists: async (ref) => existsSync(directory(ref)),
    readSpec: async (ref) => parseSpec(text(ref, 'spec.json')),
    forbidStart: (ref) => createOnce(join(directory(ref), 'started'), NEVER),
    readStart: async (ref) => {
      const content = text(ref, 'started');
      if (content === null) return null;
      return parseStart(content, modifiedAt(join(directory(ref), 'started')));
    },
    requestStop: async (ref) => {
      await writeSynced(join(directory(ref), 'stop'), '');
      await syncDirectory(directory(ref));
    },
    isStopRequested: async (ref) => existsSync(join(directory(ref), 'stop')),
    readExit: async (ref) => {
      const exitCode = parseExit(text(ref, 'exit.json'));
      if (exitCode === null) return null;
      return { exitCode, at: modifiedAt(join(directory(ref), 'exit.json')) };
    },
    readEnd: async (ref) => parseEnd(text(ref, 'end.json')),
    writeEnd: (ref, end) => replaceFile(join(directory(ref), 'end.json'), JSON.stringify(end)),
    attemptsOf: async (jobId) => {
      const names = (await orAbsent(readdir(bucket(jobId)))) ?? [];
      const own = names.filter((name) => parseRef(name)?.jobId === jobId);
      return own.toSorted((a, b) => (parseRef(a)?.attempt ?? 0) - (parseRef(b)?.attempt ?? 0));
    },
    live: async () => (await readdir(liveDir)).filter((name) => parseRef(name) !== null),
    markLive,
    // Its name is durable already, with the attempt's own.
    markLaunch: (ref, boot) => writeSynced(join(liveDir, ref), boot),
    launchedIn: async (ref) => textOf(join(liveDir, ref)) || null,
    retire: async (ref) => {
      await orAbsent(unlink(join(liveDir, ref)));
    },
  };
}

/** Whether an attempt has ended, as its directory tells: by the supervisor's word or by a service's. */
export async function hasEnded(directory: string): Promise<boolean> {
  if (existsSync(join(directory, 'end.json'))) return true;
  return parseExit(await orAbsent(readFile(join(directory, 'exit.json'), 'utf8'))) !== null;
}

/** The platform's name for an attempt. */
export function refOf(job: { readonly jobId: string; readonly attempt: number }): string {
  return `${job.jobId}.${job.attempt}`;
}

/** Job id and attempt of a ref, or null when it cannot be one of ours (it would make an unsafe file name). */
export function parseRef(ref: string): { readonly jobId: string; readonly attempt: number } | null {
  const [, jobId, attempt] = /^([A-Za-z0-9][A-Za-z0-9_-]{0,127})\.([1-9]\d{0,8})$/.exec(ref) ?? [];
  return jobId === undefined ? null : { jobId, attempt: Number(attempt) };
}

// Hashed, because the jobs of one submission share the beginning of their ids.
/** Where an attempt's files are, below the platform's directory. */
export function attemptDirectory(dir: string, ref: string): string {
  return join(dir, 'attempts', bucketName(ref.slice(0, ref.lastIndexOf('.'))), ref);
}

function bucketName(jobId: string): string {
  return createHash('sha256').update(jobId).digest('hex').slice(0, 2);
}

// Before the attempt is in its place nothing was made: what the machine lacked is waited for, like any other shortage.
async function orNoRoom<T>(temporary: string, making: () => Promise<T>): Promise<T> {
  try {
    return await making();
  } catch (error) {
    // It may fail, too: what is left is removed at the next start.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    const told = asDiskError(error, temporary);
    if (troubleOf(error) === undefined || !isAppError(told)) throw error;
    const { message, hint } = told;
    const details = { retryAfterMs: ROOM_MS, ...(hint === undefined ? {} : { hint }) };
    throw new PlatformRefusal('quota', message, details);
  }
}

async function place(temporary: string, final: string): Promise<boolean> {
  try {
    await rename(temporary, final);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

async function createOnce(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function modifiedAt(path: string): number {
  return Math.floor(statSync(path).mtimeMs);
}

// A few bytes on a local disk, written a moment ago: four trips to the thread pool, where syncs wait for the disk, take longer.
function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}
