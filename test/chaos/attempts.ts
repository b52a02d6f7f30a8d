import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** An attempt as its files say. */
export interface AttemptOnDisk {
  readonly jobId: string;
  readonly attempt: number;
  /** Pid of the supervisor, which leads the group; 'never': nobody may start it; null: nobody has. */
  readonly started: number | 'never' | null;
  /** As the supervisor wrote it. */
  readonly exitCode: number | null;
  /** As the service found it. */
  readonly end: string | null;
}

const exitFile = z.object({ exitCode: z.number() });
const endFile = z.object({ state: z.string() });

/** Every attempt of a data directory. */
export function readAttempts(dataDir: string): readonly AttemptOnDisk[] {
  const root = join(dataDir, 'process', 'attempts');
  return readdirSync(root).flatMap((bucket) =>
    readdirSync(join(root, bucket)).map((ref) => readAttempt(join(root, bucket, ref), ref)),
  );
}

/** Pid of the supervisor of a job's first attempt, once it said so. */
export function supervisorOf(dataDir: string, jobId: string): number | null {
  const bucket = createHash('sha256').update(jobId).digest('hex').slice(0, 2);
  const { started } = readAttempt(
    join(dataDir, 'process', 'attempts', bucket, `${jobId}.1`),
    `${jobId}.1`,
  );
  return typeof started === 'number' ? started : null;
}

function readAttempt(directory: string, ref: string): AttemptOnDisk {
  const dot = ref.lastIndexOf('.');
  // Until the program has ended the file only holds the room for its status.
  const exit = textOf(join(directory, 'exit.json'))?.trim() || null;
  const end = textOf(join(directory, 'end.json'));
  return {
    jobId: ref.slice(0, dot),
    attempt: Number(ref.slice(dot + 1)),
    started: startedBy(textOf(join(directory, 'started'))),
    exitCode: exit === null ? null : exitFile.parse(JSON.parse(exit)).exitCode,
    end: end === null ? null : endFile.parse(JSON.parse(end)).state,
  };
}

function startedBy(text: string | null): AttemptOnDisk['started'] {
  if (text === 'never\n') return 'never';
  // Pid, start and boot; before all three lines are there, nobody is named.
  const words = text?.split('\n') ?? [];
  return words.length < 4 ? null : Number(words[0]);
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // not there
  }
}
