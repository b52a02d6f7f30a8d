import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Io, OutputStream } from '../../cli/lib/io.ts';
import type { Parts } from '../../cli/lib/parts.ts';
import { main } from '../../cli/program.ts';

/** A stream that keeps what is written; `breakAfter` writes it acts as a pipe whose reader has gone. */
export class CapturedStream implements OutputStream {
  readonly #bytes: Uint8Array[] = [];
  writes = 0;
  readonly isTTY: boolean;
  readonly columns: number;
  readonly rows: number = 30;
  readonly #breakAfter: number;

  constructor(isTTY = false, breakAfter = Number.POSITIVE_INFINITY, columns = 100) {
    this.columns = columns;
    this.isTTY = isTTY;
    this.#breakAfter = breakAfter;
  }

  write(text: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    this.writes++;
    if (this.writes > this.#breakAfter) {
      done?.(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      return false;
    }
    this.#bytes.push(Buffer.from(text));
    done?.();
    return true;
  }

  get text(): string {
    return Buffer.concat(this.#bytes).toString();
  }

  on(): this {
    return this;
  }
}

/** What a run of the CLI starts from. */
export interface CliOptions {
  readonly tty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly parts?: Partial<Parts>;
  readonly stdin?: string;
  /** Called when the program reads its input; there is none then, and no end of it. */
  readonly onRead?: (interrupt: () => void) => void;
  readonly stdout?: CapturedStream;
  /** Called when the program sleeps, with how often it did. */
  readonly onSleep?: (count: number, interrupt: () => void) => void;
  readonly realTime?: boolean;
  readonly self?: readonly [string, ...string[]];
}

/** What came out. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A CLI with a temporary working folder and HOME of its own. */
export interface TestCli {
  readonly cwd: string;
  readonly home: string;
  run(argv: readonly string[], options?: CliOptions): Promise<CliResult>;
}

/** Makes one; removed by the given hook. */
export function createTestCli(onTestFinished: (clean: () => void) => void): TestCli {
  const root = mkdtempSync(join(tmpdir(), 'caliban-cli-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return {
    cwd: root,
    home: root,
    async run(argv, options = {}) {
      const stdout = options.stdout ?? new CapturedStream(options.tty);
      const stderr = new CapturedStream(options.tty);
      const interrupt = new AbortController();
      const status = await main(argv, {
        stdin: inputOf(options, interrupt),
        stdout,
        stderr,
        env: { NO_COLOR: '1', PATH: process.env['PATH'], ...options.env },
        cwd: root,
        home: root,
        user: 'totoro',
        self: options.self ?? [process.execPath, '--version'],
        signal: interrupt.signal,
        clock: options.realTime === true ? REAL_CLOCK : createFastClock(options, interrupt),
        parts: { ...NO_PARTS, ...options.parts },
      });
      return { status, stdout: stdout.text, stderr: stderr.text };
    },
  };
}

const NO_PARTS: Parts = {
  packer: () => Promise.reject(new Error('this test packs nothing')),
  host: () =>
    Promise.resolve({
      runServe: () => Promise.reject(new Error('this test serves nothing')),
      offline: () => Promise.resolve(null),
    }),
  backup: () => Promise.reject(new Error('this test copies nothing')),
};

const REAL_CLOCK: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  random: () => 0.5,
};

// Time passes only by sleeping, and sleeping takes no time.
function createFastClock(options: CliOptions, interrupt: AbortController): Clock {
  let now = Date.parse('2026-11-22T09:05:00Z');
  let count = 0;
  return {
    now: () => now,
    async sleep(ms, signal) {
      options.onSleep?.(++count, () => interrupt.abort());
      now += ms;
      await setImmediate(undefined, { signal });
    },
    random: () => 0.5,
  };
}

function inputOf({ stdin = '', tty, onRead }: CliOptions, interrupt: AbortController): Io['stdin'] {
  return {
    isTTY: tty,
    async *[Symbol.asyncIterator]() {
      if (onRead !== undefined) {
        onRead(() => interrupt.abort());
        await new Promise(() => {});
      }
      if (stdin !== '') yield stdin;
    },
  };
}
