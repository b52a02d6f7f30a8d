import { Worker } from 'node:worker_threads';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Collection } from '../../../ports/documents.ts';
import { systemCode } from '../durable-file.ts';
import type { WireAnswer, WireCommit, WireNews, WireOutcome } from './sqlite-commit-program.ts';
import { COMMIT_PROGRAM, type CommitThreadData } from './sqlite-commit-program.ts';
import { TABLES } from './sqlite-schema.ts';
import { BUSY_TIMEOUT_MS } from './sqlite-turn.ts';
import { type WriteSql, writeSql } from './sqlite-write-sql.ts';

/** The database has the shape of another version: nothing was written. */
export class Reshaped extends Error {
  override readonly name = 'Reshaped';
}

/** What SQLite threw in the thread, with its result code. */
class CommitFailed extends Error {
  override readonly name = 'CommitFailed';
  readonly errcode: number;

  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

/**
 * Commits in a thread of its own: neither the fsync of a commit nor the copying of the log into the database, which SQLite does in
 * a commit now and then, makes the event loop wait. Started with the first commit.
 */
export class CommitThread {
  readonly #path: string;
  readonly #shape: string;
  readonly #closed = new Int32Array(new SharedArrayBuffer(4));
  #thread: Worker | undefined;
  #asked: PromiseWithResolvers<WireAnswer> | undefined;
  #copying: PromiseWithResolvers<void> | undefined;
  #isClosed = false;

  /** `shape`: what the database must have for anything to be written. */
  constructor(path: string, shape: string) {
    this.#path = path;
    this.#shape = shape;
  }

  /** Resolves when a group would be begun at once: not while the log is copied. */
  async ready(): Promise<void> {
    await this.#copying?.promise;
  }

  /**
   * Makes commits in one transaction and resolves once it is durable; one group at a time. Rejects with AppError UNAVAILABLE when
   * the thread ended before it told: then all of them were made, or none. Any other error (of SQLite, of the system, {@link Reshaped})
   * says that nothing of any of them was written.
   */
  async commit(commits: readonly WireCommit[]): Promise<readonly WireOutcome[]> {
    if (this.#isClosed) throw new Error('the database is closed');
    this.#thread ??= this.#start();
    const asked = Promise.withResolvers<WireAnswer>();
    this.#asked = asked;
    this.#thread.ref();
    this.#thread.postMessage(commits);
    const answer = await asked.promise;
    if (answer.kind === 'done') return answer.outcomes;
    if (answer.kind === 'reshaped') throw new Reshaped();
    const { message, errcode } = answer;
    throw errcode === null ? new Error(message) : new CommitFailed(message, errcode);
  }

  /** Waits for the group that is being written, at most so long (ms), and closes the thread's part of the database. */
  close(waitMs: number): void {
    this.#isClosed = true;
    this.#endCopying();
    if (this.#thread === undefined) return;
    this.#thread.postMessage('close');
    Atomics.wait(this.#closed, 0, 0, waitMs);
    this.#thread = undefined;
  }

  #start(): Worker {
    const workerData: CommitThreadData = {
      path: this.#path,
      busyTimeoutMs: BUSY_TIMEOUT_MS,
      pragmas: PRAGMAS,
      shape: this.#shape,
      checkpointRows: CHECKPOINT_ROWS,
      sql: sqlOfAll(),
      closed: this.#closed.buffer,
    };
    const thread = new Worker(COMMIT_PROGRAM, { eval: true, workerData });
    thread.on('message', (news: WireNews) => {
      if (news !== 'copied') {
        if (news.copies) this.#copying = Promise.withResolvers();
        this.#asked?.resolve(news.answer);
        this.#asked = undefined;
      } else this.#endCopying();
      // Somebody may wait for the end of the copying: only an idle thread lets the process end.
      if (this.#copying === undefined) thread.unref();
    });
    let cause: unknown;
    thread.on('error', (error) => {
      cause = error;
    });
    // Not every end is an error; every end is told here, after whatever the thread still said.
    thread.on('exit', () => {
      if (this.#thread === thread) this.#thread = undefined;
      this.#endCopying();
      this.#asked?.reject(neverBegan(cause) ?? outcomeUnknown(cause));
      this.#asked = undefined;
    });
    return thread;
  }

  #endCopying(): void {
    this.#copying?.resolve();
    this.#copying = undefined;
  }
}

// Where a thread cannot even be made, Node tells the system's code only in words.
function neverBegan(cause: unknown): Error | undefined {
  if (systemCode(cause) !== 'ERR_WORKER_INIT_FAILED' || !(cause instanceof Error)) return undefined;
  const [code] = /\bE[A-Z]+$/.exec(cause.message) ?? [];
  return Object.assign(new Error(cause.message, { cause }), code === undefined ? {} : { code });
}

function outcomeUnknown(cause: unknown): AppError {
  return new AppError(
    'UNAVAILABLE',
    'The thread that writes the records ended before it said whether this was written.',
    { hint: 'Send the same again: what was written is found.', cause },
  );
}

/** About 16 MiB of log in a large sweep. */
const CHECKPOINT_ROWS = 2_000;

// FULL: a commit is on the disk when it resolves. The log is copied into the database by a commit only where it has 64 MiB, and so
// much of it is kept for reuse; 32 MiB of pages in memory.
const PRAGMAS = `PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${16 * 1024};
  PRAGMA journal_size_limit = ${64 * 1024 * 1024}; PRAGMA cache_size = -${32 * 1024}`;

function sqlOfAll(): Record<string, WriteSql> {
  const collections = Object.keys(TABLES) as Collection[];
  return Object.fromEntries(collections.map((name) => [name, writeSql(name)]));
}
