import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** So many characters at once, or after so long, whichever comes first. */
const BATCH_LENGTH = 32 * 1024;
const BATCH_MS = 100;
/** Held back at most, while the disk takes nothing; what comes on top is lost, and counted. */
const MOST_HELD = 1024 * 1024;

/** Where the log goes. */
export interface LogFileOptions {
  readonly path: string;
  /** The file is put aside as `PATH.1` before it gets larger than this; an older `PATH.1` is removed. */
  readonly maxBytes: number;
  /** Takes out of lines what must never be in the file. */
  readonly clean: (text: string) => string;
  /** Called when lines are taken again, with how many were lost. */
  readonly onGap: (lost: number) => void;
}

/** A file of lines, written in batches. */
export interface LogFile {
  /** Takes one line, with its line break. */
  write(line: string): void;
  /** Writes what is held back. */
  flush(): void;
  /** Lines lost since the start. */
  lost(): number;
  /** Why nothing can be written now; null: it can. */
  failure(): string | null;
  /** Writes what is held back, and closes. Lines after it are dropped. */
  close(): void;
}

/**
 * Opens a log file for its owner alone. A write to it is a write to the system's cache, once for a batch: the store of the same
 * process waits for the disk at each commit, this does not. A killed process loses the last 100 ms at most, one that ends
 * in any other way loses nothing. A full disk costs lines, never the service.
 */
export function openLogFile(options: LogFileOptions): LogFile {
  return new BatchedFile(options);
}

class BatchedFile implements LogFile {
  readonly #options: LogFileOptions;
  readonly #flushAtExit = () => this.flush();
  #fd: number;
  #size: number;
  #isOpen = true;
  #held = '';
  #unwritten: Uint8Array = new Uint8Array();
  #timer: NodeJS.Timeout | undefined;
  #failure: string | null = null;
  #lost = 0;
  #told = 0;

  constructor(options: LogFileOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    this.#fd = openSync(options.path, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
    process.once('exit', this.#flushAtExit);
  }

  write(line: string): void {
    if (!this.#isOpen) return;
    if (this.#held.length + this.#unwritten.length >= MOST_HELD) {
      this.#lost += 1;
      return;
    }
    this.#held += line;
    // While the disk takes nothing, the timer alone tries.
    if (this.#held.length >= BATCH_LENGTH && this.#failure === null) this.flush();
    else this.#flushLater();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isOpen || (this.#held === '' && this.#unwritten.length === 0)) return;
    try {
      this.#writeHeld();
      this.#failure = null;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#flushLater();
      return;
    }
    const gap = this.#lost - this.#told;
    this.#told = this.#lost;
    if (gap > 0) this.#options.onGap(gap);
  }

  lost(): number {
    return this.#lost;
  }

  failure(): string | null {
    return this.#failure;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.flush();
    // The first may have made a line that tells of a gap.
    this.flush();
    clearTimeout(this.#timer);
    this.#isOpen = false;
    process.removeListener('exit', this.#flushAtExit);
    closeSync(this.#fd);
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => this.flush(), BATCH_MS).unref();
  }

  #writeHeld(): void {
    this.#unwritten = Buffer.concat([
      this.#unwritten,
      Buffer.from(this.#options.clean(this.#held)),
    ]);
    this.#held = '';
    if (this.#size > 0 && this.#size + this.#unwritten.length > this.#options.maxBytes) {
      this.#putAside();
    }
    while (this.#unwritten.length > 0) {
      const written = writeSync(this.#fd, this.#unwritten);
      this.#size += written;
      this.#unwritten = this.#unwritten.subarray(written);
    }
  }

  #putAside(): void {
    const { path } = this.#options;
    if (isSameFile(statSync(path, { throwIfNoEntry: false }), fstatSync(this.#fd))) {
      renameSync(path, `${path}.1`);
    }
    const next = openSync(path, 'a', 0o600);
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = fstatSync(next).size;
  }
}

// Somebody may have put it aside or removed it: then there is nothing of ours to put aside.
function isSameFile(at: Stats | undefined, open: Stats): boolean {
  return at !== undefined && at.ino === open.ino && at.dev === open.dev;
}
