import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { orAbsent } from '../durable-file.ts';
import { attemptDirectory, parseRef } from './attempt-files.ts';
import { type AttemptEnd, parseEnd } from './attempt-record.ts';

/** An attempt as its files tell it; `end` null: none was recorded. */
export interface AttemptOnDisk {
  readonly ref: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly end: AttemptEnd | null;
}

/** The process platform's files, to be read beside a running one. */
export interface AttemptsOnDisk {
  /** Names of the directories that attempts are spread over, sorted. */
  buckets(): Promise<readonly string[]>;
  attempts(bucket: string): Promise<readonly AttemptOnDisk[]>;
  exists(ref: string): Promise<boolean>;
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
      const found: AttemptOnDisk[] = [];
      for (const ref of names.sort()) {
        const named = parseRef(ref);
        if (named === null) continue;
        const text = await orAbsent(readFile(join(home, bucket, ref, 'end.json'), 'utf8'));
        found.push({ ref, ...named, end: parseEnd(text) });
      }
      return found;
    },
    exists: async (ref) => (await orAbsent(stat(attemptDirectory(dir, ref)))) !== null,
  };
}
