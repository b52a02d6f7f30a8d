import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Row } from './sqlite-rows.ts';
import type { WriteSql } from './sqlite-write-sql.ts';

// The program of the thread that commits. It is made of the text of the functions below: they may use each other and what Node
// gives to every program, and nothing else of this file or of any import.

/** What the thread is started with. */
export interface CommitThreadData {
  readonly path: string;
  readonly busyTimeoutMs: number;
  /** Run once, before anything else. */
  readonly pragmas: string;
  readonly shape: string;
  /** After so many rows the log is copied into the database. */
  readonly checkpointRows: number;
  readonly sql: Readonly<Record<string, WriteSql>>;
  /** One Int32; 1 and notified once the thread has closed the database. */
  readonly closed: SharedArrayBuffer;
}

/** One write; `row` null deletes. */
export interface WireWrite {
  readonly collection: string;
  readonly id: string;
  /** What `changed_at` must be now; 'absent': there must be no row. */
  readonly expect: number | 'absent' | null;
  readonly row: Row | null;
}

/** One commit; `now`: UTC ms. */
export interface WireCommit {
  readonly now: number;
  readonly writes: readonly WireWrite[];
}

/** What became of a commit: when it was made, or which of its writes met something else than they expected. */
export type WireOutcome = { readonly at: number } | { readonly stale: readonly number[] };

/** Answer to a group of commits: all outcomes in order; or nothing of the group stays. */
export type WireAnswer =
  | { readonly kind: 'done'; readonly outcomes: readonly WireOutcome[] }
  | { readonly kind: 'reshaped' }
  | { readonly kind: 'failed'; readonly message: string; readonly errcode: number | null };

/** What the thread tells: an answer, and whether it copies the log now; then it tells when that is done. */
export type WireNews = { readonly answer: WireAnswer; readonly copies: boolean } | 'copied';

interface Writer {
  readonly current: StatementSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly addFacet: StatementSync | null;
  readonly dropFacet: StatementSync | null;
}

interface Found {
  readonly changedAt: number;
  readonly facets: readonly string[];
}

function serveCommits(): void {
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads');
  const data: CommitThreadData = workerData;
  const place: Place = { data, thread: undefined };
  let rows = 0;
  parentPort?.on('message', (request: readonly WireCommit[] | 'close') => {
    const tell = (news: WireNews): void => parentPort.postMessage(news);
    if (request !== 'close') {
      const answer = answerTo(place, request);
      for (const { writes } of request) rows += writes.length;
      const copies = rows >= data.checkpointRows;
      tell({ answer, copies });
      if (!copies) return;
      rows = 0;
      copyLog(place);
      tell('copied');
      return;
    }
    place.thread?.db.close();
    const closed = new Int32Array(data.closed);
    Atomics.store(closed, 0, 1);
    Atomics.notify(closed, 0);
    parentPort.close();
  });
}

// Who waited for the commit has the answer already.
function copyLog({ thread }: Place): void {
  try {
    thread?.db.exec('PRAGMA wal_checkpoint(PASSIVE)');
  } catch {
    // A full disk may hinder it: the log keeps everything.
  }
}

interface Place {
  readonly data: CommitThreadData;
  /** Opened with the first commit; where that fails, with the next. */
  thread: CommitThread | undefined;
}

interface CommitThread {
  readonly db: DatabaseSync;
  readonly writers: Map<string, Writer>;
  readonly data: CommitThreadData;
}

function answerTo(place: Place, commits: readonly WireCommit[]): WireAnswer {
  try {
    place.thread ??= openThread(place.data);
    const { db } = place.thread;
    db.exec('BEGIN IMMEDIATE');
    const answer = commitGroup(place.thread, commits);
    db.exec('COMMIT');
    return answer;
  } catch (error) {
    const db = place.thread?.db;
    // A full disk or an I/O error may have ended the transaction already.
    if (db?.isTransaction === true) db.exec('ROLLBACK');
    const message = error instanceof Error ? error.message : String(error);
    const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : null;
    return { kind: 'failed', message, errcode };
  }
}

function openThread(data: CommitThreadData): CommitThread {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const db = new DatabaseSync(data.path, { timeout: data.busyTimeoutMs });
  try {
    db.exec(data.pragmas);
  } catch (error) {
    db.close();
    throw error;
  }
  return { db, writers: new Map(), data };
}

// A commit that is refused has written nothing: the others of its transaction need not know.
function commitGroup(thread: CommitThread, commits: readonly WireCommit[]): WireAnswer {
  const { db, data } = thread;
  const meta = db.prepare('SELECT "shape", "changed_at" FROM "meta"').get();
  if (meta?.['shape'] !== data.shape) return { kind: 'reshaped' };
  const before = Number(meta['changed_at']);
  let last = before;
  const outcomes = commits.map((commit): WireOutcome => {
    const at = Math.max(Math.floor(commit.now), last + 1);
    const outcome = commitOne(thread, commit, at);
    if ('at' in outcome) last = at;
    return outcome;
  });
  if (last > before) db.prepare('UPDATE "meta" SET "changed_at" = ?').run(last);
  return { kind: 'done', outcomes };
}

function commitOne(thread: CommitThread, { writes }: WireCommit, at: number): WireOutcome {
  const found = writes.map(({ collection, id }) => currentOf(writerOf(thread, collection), id));
  const stale = writes.flatMap(({ expect }, index) =>
    isMet(expect, found[index]?.changedAt) ? [] : [index],
  );
  if (stale.length > 0) return { stale };
  for (const [index, write] of writes.entries()) {
    writeRow(writerOf(thread, write.collection), { write, before: found[index], at });
  }
  return { at };
}

function isMet(expect: WireWrite['expect'], changedAt: number | undefined): boolean {
  if (expect === null) return true;
  return expect === 'absent' ? changedAt === undefined : changedAt === expect;
}

function writeRow(
  writer: Writer,
  change: { readonly write: WireWrite; readonly before: Found | undefined; readonly at: number },
): void {
  const { id, row } = change.write;
  if (row === null) writer.remove.run(id);
  else writer.put.run(id, change.at, ...row.derived, row.json);
  const before = change.before?.facets ?? [];
  const after = row?.facets ?? [];
  for (const facet of before) if (!after.includes(facet)) writer.dropFacet?.run(facet, id);
  for (const facet of after) if (!before.includes(facet)) writer.addFacet?.run(facet, id);
}

function currentOf({ current }: Writer, id: string): Found | undefined {
  const row = current.get(id);
  if (row === undefined) return undefined;
  const facets = row['facets'];
  return {
    changedAt: Number(row['changed_at']),
    facets: typeof facets === 'string' ? JSON.parse(facets) : [],
  };
}

// Prepared when first needed: another version of the program may have taken a table away.
function writerOf({ db, writers, data }: CommitThread, collection: string): Writer {
  const known = writers.get(collection);
  if (known !== undefined) return known;
  const sql = data.sql[collection];
  if (sql === undefined) throw new TypeError(`no collection ${collection}`);
  const writer = {
    current: db.prepare(sql.current),
    put: db.prepare(sql.put),
    remove: db.prepare(sql.remove),
    addFacet: sql.addFacet === null ? null : db.prepare(sql.addFacet),
    dropFacet: sql.dropFacet === null ? null : db.prepare(sql.dropFacet),
  };
  writers.set(collection, writer);
  return writer;
}

const PARTS = [
  serveCommits,
  copyLog,
  answerTo,
  openThread,
  commitGroup,
  commitOne,
  isMet,
  writeRow,
  currentOf,
  writerOf,
];

/** The thread's program, to be evaluated. */
export const COMMIT_PROGRAM = `${PARTS.map(String).join('\n')}\n${serveCommits.name}();`;
