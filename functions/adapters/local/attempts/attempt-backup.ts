import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CopyRun, copyTree } from '../backup/copy-tree.ts';
import { orAbsent, replaceFile } from '../durable-file.ts';
import { attemptsOnDisk } from './attempt-audit.ts';
import { attemptDirectory, hasEnded } from './attempt-files.ts';
import type { AttemptEnd } from './attempt-record.ts';

/** What the copied records say of an attempt's job. */
export interface CopiedJob {
  readonly live: boolean;
  /** The attempt that the job is said to be; null: none yet. */
  readonly ref: string | null;
}

/** An attempt, the jobs as copied, and how a copy is told that a program's end is not in it. */
export interface AttemptCopyOptions {
  readonly from: string;
  readonly to: string;
  readonly jobOf: (jobId: string) => Promise<CopiedJob | null>;
  readonly now: () => number;
}

/**
 * Copies attempts whose jobs are in the copied records, so that a service of the copy finds the ends it has not seen yet. Of those that have not
 * ended, a job that the records say is on this machine gets an end in the copy: nobody will ever see there how it went on, and
 * the copy must never reach for the processes of the original. One that the records say still waits is left out, to run anew.
 * Returns how many were copied.
 */
export async function copyAttempts(options: AttemptCopyOptions, run: CopyRun): Promise<number> {
  const source = attemptsOnDisk(options.from);
  await mkdir(join(options.to, 'live'), { recursive: true, mode: 0o700 });
  let copied = 0;
  for (const bucket of await source.buckets()) {
    for (const { ref, jobId } of await source.attempts(bucket)) {
      const job = await options.jobOf(jobId);
      if (job !== null && (await copyAttempt(options, { ref, job }, run))) copied += 1;
    }
  }
  return copied;
}

async function copyAttempt(
  { from, to, now }: AttemptCopyOptions,
  { ref, job }: { readonly ref: string; readonly job: CopiedJob },
  run: CopyRun,
): Promise<boolean> {
  const source = attemptDirectory(from, ref);
  const target = attemptDirectory(to, ref);
  const isOnMachine = job.live && job.ref === ref;
  if (job.live && !isOnMachine && !(await hasEnded(source))) return false;
  await copyTree({ from: source, to: target }, run);
  if (!job.live) return true;
  if (!(await hasEnded(target))) await writeLostEnd(target, now());
  await writeFile(join(to, 'live', ref), '');
  return true;
}

async function writeLostEnd(directory: string, at: number): Promise<void> {
  const started = await orAbsent(stat(join(directory, 'started')));
  const end: AttemptEnd = {
    state: 'FAILED',
    startedAt: started === null ? null : Math.floor(started.mtimeMs),
    finishedAt: at,
    exitCode: null,
    cause: {
      code: 'lost',
      message: `It was ${started === null ? 'about to run' : 'running'} when this backup was made; how it went on is not in it. Submit it again if you need it.`,
    },
  };
  await replaceFile(join(directory, 'end.json'), JSON.stringify(end));
}
