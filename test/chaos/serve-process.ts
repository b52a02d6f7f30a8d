import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { ROOT } from '../e2e/built-cli.ts';

/** The CLI as users start it. */
export const BIN = join(ROOT, 'bin', 'caliban.mjs');
/** What the service demands. */
export const TOKEN = 'a-token-for-the-chaos-harness';

const START_MS = 60_000;
const serveFile = z.object({ pid: z.number(), address: z.string() });

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The real `serve` of one data directory, one process after the other. */
export class ServeProcess {
  readonly #home: string;
  readonly #slots: number;
  #child: ChildProcess | null = null;
  #ended: Promise<Ended> = Promise.resolve({ code: 0, signal: null });
  #address = '';

  constructor(home: string, slots: number) {
    this.#home = home;
    this.#slots = slots;
  }

  get dataDir(): string {
    return join(this.#home, 'data');
  }

  /** Of the one that runs, or ran last. */
  get address(): string {
    return this.#address;
  }

  get isUp(): boolean {
    return this.#child !== null;
  }

  /** Its end. */
  get ended(): Promise<Ended> {
    return this.#ended;
  }

  /** The environment of every command of this test. */
  environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.#home,
      CALIBAN_HOME: this.dataDir,
      CALIBAN_SERVE_TOKEN: TOKEN,
      NO_COLOR: '1',
    };
  }

  /** Starts one and waits until it listens: where the last one did, so that clients that try again find it. */
  async start(): Promise<void> {
    this.spawn();
    const until = Date.now() + START_MS;
    while (!this.isAnnounced()) {
      if (this.#child === null) throw new Error(`serve ended before it listened: ${this.log()}`);
      if (Date.now() > until) throw new Error(`serve does not listen: ${this.log()}`);
      await sleep(5);
    }
  }

  /** Starts one without waiting. */
  spawn(): void {
    const port = this.#address === '' ? '0' : new URL(this.#address).port;
    const log = openSync(join(this.#home, 'serve.log'), 'a');
    const child = spawn(
      process.execPath,
      [BIN, 'serve', '--platform=process', `--port=${port}`, `--slots=${this.#slots}`],
      { cwd: this.#home, env: this.environment(), stdio: ['ignore', log, log] },
    );
    closeSync(log);
    this.#child = child;
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      this.#child = null;
      return { code, signal };
    });
  }

  /** Whether the running one has said where it listens. */
  isAnnounced(): boolean {
    const written = this.#announcement();
    if (written === null || this.#child === null || written.pid !== this.#child.pid) return false;
    this.#address = written.address;
    return true;
  }

  /** Sends a signal to the running one. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** SIGKILL, and its end; the signal is another when it had ended before. */
  async kill(): Promise<Ended> {
    this.signal('SIGKILL');
    return this.#ended;
  }

  /** Ends it as a user does. */
  async stop(): Promise<Ended> {
    this.signal('SIGTERM');
    return this.#ended;
  }

  /** Stops its time: resolves once its main thread stands still. False: it has ended. */
  async freeze(): Promise<boolean> {
    this.signal('SIGSTOP');
    for (;;) {
      const pid = this.#child?.pid;
      if (pid === undefined) return false;
      if (stateOf(pid) === 'T') return true;
      await sleep(0);
    }
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  /** The end of what it printed. */
  log(): string {
    return readFileSync(join(this.#home, 'serve.log'), 'utf8').split('\n').slice(-6).join('\n');
  }

  #announcement(): z.infer<typeof serveFile> | null {
    try {
      const text = readFileSync(join(this.dataDir, 'serve.json'), 'utf8');
      return serveFile.parse(JSON.parse(text));
    } catch {
      return null; // not there
    }
  }
}

// proc(5): the state stands behind the name, which is in parentheses.
function stateOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch {
    return ''; // gone meanwhile; its exit is about to be told
  }
}
