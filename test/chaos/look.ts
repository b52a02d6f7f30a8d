import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';

/** A submission as its row says. */
export interface SubmissionLook {
  readonly id: string;
  readonly chunks: number;
  /** Chunks whose jobs are written. */
  readonly written: number;
  readonly expanded: boolean;
  readonly ending: string;
  /** Jobs that have not ended. */
  readonly live: number;
}

/** What the database says at one instant; read without any of the service's code. */
export interface Look {
  /** By name. */
  readonly submissions: ReadonlyMap<string, SubmissionLook>;
  /** Jobs by state. */
  readonly states: Readonly<Record<string, number>>;
  /** Messages that wait or are handled. */
  readonly messages: number;
}

const submissionRow = z.object({
  id: z.string(),
  name: z.string(),
  chunks: z.number(),
  written: z.number(),
  expanded: z.number(),
  ending: z.string(),
  live: z.number(),
});
const stateRow = z.object({ state: z.string(), jobs: z.number() });

/** Looks at the database; null when there is none yet, or when it is locked this very moment. */
export function lookAt(path: string): Look | null {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 50 });
    return read(db);
  } catch {
    return null;
  } finally {
    // Opened anew each time: a connection that stays would spare the next service its recovery.
    db?.close();
  }
}

function read(db: DatabaseSync): Look {
  db.exec('BEGIN');
  const submissions = z.array(submissionRow).parse(db.prepare(SUBMISSIONS).all());
  const states = z.array(stateRow).parse(db.prepare(STATES).all());
  const messages = db.prepare('SELECT count(*) AS n FROM outbox').get()?.['n'];
  return {
    submissions: new Map(
      submissions.map(({ name, expanded, ...rest }) => [
        name,
        { ...rest, expanded: expanded === 1 },
      ]),
    ),
    states: Object.fromEntries(states.map(({ state, jobs }) => [state, jobs])),
    messages: Number(messages),
  };
}

const SUBMISSIONS = `
  WITH done AS (SELECT value ->> '$.submissionId' AS id, count(*) AS n FROM chunks GROUP BY 1),
    live AS (SELECT value ->> '$.submissionId' AS id, count(*) AS n FROM jobs
      WHERE value ->> '$.state' NOT IN ('SUCCEEDED', 'FAILED', 'STOPPED') GROUP BY 1)
  SELECT s.id AS id, s.value ->> '$.name' AS name, s.value ->> '$.chunks' AS chunks,
    s.value ->> '$.expanded' AS expanded, s.value ->> '$.ending' AS ending,
    coalesce(done.n, 0) AS written, coalesce(live.n, 0) AS live
  FROM submissions s LEFT JOIN done ON done.id = s.id LEFT JOIN live ON live.id = s.id`;
const STATES = `SELECT value ->> '$.state' AS state, count(*) AS jobs FROM jobs GROUP BY 1`;

/** Jobs in one of these states. */
export function jobsIn(look: Look, ...states: readonly string[]): number {
  return states.reduce((sum, state) => sum + (look.states[state] ?? 0), 0);
}

/** Jobs that have not ended. */
export function liveJobs(look: Look): number {
  return jobsIn(look, 'QUEUED', 'SUBMITTING', 'SUBMITTED', 'RUNNING', 'UNKNOWN');
}

/** Jobs by state, in words. */
export function statesText(look: Look | null): string {
  if (look === null) return 'no job yet';
  const words = Object.entries(look.states).map(([state, jobs]) => `${jobs} ${state}`);
  return words.length === 0 ? 'no job yet' : words.join(', ');
}
