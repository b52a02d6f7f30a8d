import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import { type AttemptOnDisk, readAttempts } from '../attempts.ts';
import { type Line, readLines } from '../lines.ts';
import { databaseOf, type Stage } from '../stage.ts';

const jobDocument = z.object({
  id: z.string(),
  submissionId: z.string(),
  groupId: z.string(),
  index: z.number(),
  state: z.string(),
  flags: z.array(z.string()),
  cause: z.object({ code: z.string(), message: z.string() }),
  attempt: z.number(),
  exitCode: z.number().nullable(),
});
const submissionDocument = z.object({
  id: z.string(),
  name: z.string(),
  groupId: z.string(),
  groupName: z.string(),
  count: z.number(),
  expanded: z.boolean(),
});

/** A job as its row says. */
export type JobRow = z.infer<typeof jobDocument>;
/** A submission as its row says. */
export type SubmissionRow = z.infer<typeof submissionDocument>;

/** Everything that is left of a run, read without the service's code. */
export interface Evidence {
  /** When it was read: nothing changed any more. */
  readonly quietAt: number;
  readonly jobs: readonly JobRow[];
  readonly submissions: readonly SubmissionRow[];
  readonly attempts: readonly AttemptOnDisk[];
  readonly lines: readonly Line[];
  /** What SQLite says of its own file: `ok`. */
  readonly integrity: string;
  /** Jobs whose indexed columns are not those of their document. */
  readonly strayColumns: number;
  /** Messages that are left. */
  readonly messages: number;
}

/** Reads it. */
export function gatherEvidence(stage: Pick<Stage, 'serve' | 'lines'>): Evidence {
  const db = new DatabaseSync(databaseOf(stage), { readOnly: true, timeout: 2_000 });
  try {
    const values = (table: string) =>
      db
        .prepare(`SELECT value FROM ${table}`)
        .all()
        .map(({ value }) => JSON.parse(String(value)));
    const number = (sql: string) => Number(db.prepare(sql).get()?.['n']);
    return {
      quietAt: Date.now(),
      jobs: z.array(jobDocument).parse(values('jobs')),
      submissions: z.array(submissionDocument).parse(values('submissions')),
      attempts: readAttempts(stage.serve.dataDir),
      lines: readLines(stage.lines),
      integrity: String(db.prepare('PRAGMA integrity_check').get()?.['integrity_check']),
      strayColumns: number(
        `SELECT count(*) AS n FROM jobs WHERE f_state IS NOT value ->> '$.state'
          OR f_live IS NOT value ->> '$.live' OR f_active IS NOT value ->> '$.active'`,
      ),
      messages: number('SELECT count(*) AS n FROM outbox'),
    };
  } finally {
    db.close();
  }
}
