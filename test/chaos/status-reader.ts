import { setTimeout as sleep } from 'node:timers/promises';
import { type Ran, runCli } from './real-cli.ts';
import type { Stage } from './stage.ts';

/** The real `caliban status`, again and again while the storm goes on. */
export class StatusReader {
  readonly #stage: Stage;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Commands that were run. */
  reads = 0;
  /** Those that found no service and read the records. */
  offline = 0;
  /** What no status may ever say. */
  readonly broken: string[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      this.#judge(await runCli(this.#stage, ['status', '--max_jobs', '20', '--json']));
      await sleep(500);
    }
  }

  // 0: read, from the service or from its records. 6: it went away meanwhile, and said so.
  #judge({ status, stdout, stderr }: Ran): void {
    this.reads += 1;
    if (stderr.includes('no service running')) this.offline += 1;
    const isKnown = status === 0 || status === 6;
    if (isKnown && !/database is locked|bug in caliban/.test(stdout + stderr)) return;
    this.broken.push(`caliban status ended with status ${status}: ${stderr.trim() || stdout}`);
  }
}
