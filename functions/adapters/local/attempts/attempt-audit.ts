import { readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import { orAbsent, systemCode } from '../durable-file.ts';
import { attemptDirectory, parseRef } from './attempt-files.ts';
import {
  type AttemptEnd,
  type AttemptSpec,
  parseEnd,
  parseExit,
  parseSpec,
} from './attempt-record.ts';

/** An attempt that has a directory. */
export interface AttemptOnDisk {
  readonly ref: string;
  readonly jobId: string;
  readonly attempt: number;
}

/** What stands in a file's place: nothing, or something that is not what it should be. */
export type Unreadable = 'absent' | 'damaged';

/** An attempt as its files tell it. */
export interface AttemptRemains {
  readonly spec: AttemptSpec | Unreadable;
  readonly end: AttemptEnd | Unreadable;
  /** By the supervisor's word. */
  readonly exitCode: number | Unreadable;
  /** Names in its directory. */
  readonly names: ReadonlySet<string>;
}

/** A platform's files, to be read beside a running one. */
export interface AttemptsOnDisk {
  /** Names of the directories that attempts are spread over, sorted. */
  buckets(): Promise<readonly string[]>;
  attempts(bucket: string): Promise<readonly AttemptOnDisk[]>;
  /** Null: it has no directory. Throws AppError SCHEMA_TOO_NEW when a newer caliban wrote it. */
  remains(ref: string): AttemptRemains | null;
}

/** Reads the files below the platform's directory; writes nothing, and needs none of it to be there. */
export function attemptsOnDisk(dir: string): AttemptsOnDisk {
  const home = join(dir, 'attempts');
  return {
    async buckets() {
      const names = (await orAbsent(readdir(home))) ?? [];
      return names.filter((name) => /^[0-9a-f]{2}$/.test(name)).sort();
    },
    async attempts(bucket) {
      const names = (await orAbsent(readdir(join(home, bucket)))) ?? [];
      return names.sort().flatMap((ref) => {
        const named = parseRef(ref);
        return named === null ? [] : [{ ref, ...named }];
      });
    },
    remains: (ref) => (parseRef(ref) === null ? null : readRemains(attemptDirectory(dir, ref))),
  };
}

// Small files, and perhaps a hundred thousand of each: trips to the thread pool would take ten times as long.
function readRemains(directory: string): AttemptRemains | null {
  const names = unlessAbsent(() => new Set(readdirSync(directory)));
  if (names === null) return null;
  const parsed = <T>(name: string, parse: (text: string) => T | null): T | Unreadable => {
    if (!names.has(name)) return 'absent';
    const text = unlessAbsent(() => readFileSync(join(directory, name), 'utf8'));
    return text === null ? 'absent' : (parse(text) ?? 'damaged');
  };
  return {
    names,
    spec: parsed('spec.json', specOrNull),
    end: parsed('end.json', parseEnd),
    exitCode: parsed('exit.json', parseExit),
  };
}

function specOrNull(text: string): AttemptSpec | null {
  try {
    return parseSpec(text);
  } catch (error) {
    if (isAppError(error)) throw error;
    return null;
  }
}

// ENOTDIR: a file in the place of a directory.
function unlessAbsent<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null;
    throw error;
  }
}
