import { setTimeout as sleep } from 'node:timers/promises';
import { supervisorOf } from './attempts.ts';
import { processesBelow } from './checks/remains.ts';
import { jobIdOf, type Ledger } from './ledger.ts';
import { readLines } from './lines.ts';
import type { VictimMoment } from './plan.ts';
import type { ServeProcess } from './serve-process.ts';

/** A supervisor that was killed. */
export interface KilledSupervisor {
  readonly jobId: string;
  readonly moment: VictimMoment;
  readonly serviceWasUp: boolean;
}

interface Victim {
  readonly jobId: string;
  readonly moment: VictimMoment;
  readonly delayMs: number;
  /** When it was first seen ready to be killed. */
  readyAt: number | null;
}

const POLL_MS = 25;
/** Victims hold slots: who waits for a moment without a service does not wait for ever. */
const LONGEST_WAIT_MS = 4_000;

/** Kills supervisors that the plan names, each at the moment it names, and nothing else of their group. */
export class SupervisorKiller {
  readonly #from: { readonly serve: ServeProcess; readonly ledger: Ledger; readonly lines: string };
  readonly #known = new Set<string>();
  readonly #waiting = new Map<string, Victim>();
  readonly #killed: KilledSupervisor[] = [];
  readonly #closing = new AbortController();
  #isStorm = true;
  #running: Promise<void> = Promise.resolve();

  constructor(from: { serve: ServeProcess; ledger: Ledger; lines: string }) {
    this.#from = from;
  }

  get killed(): readonly KilledSupervisor[] {
    return this.#killed;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  /** The service will not go down any more: who waits for that waits no longer. */
  endStorm(): void {
    this.#isStorm = false;
  }

  /** No service runs: kills whoever is ready, and does not end by itself. */
  async whileDown(): Promise<void> {
    for (const victim of this.#ready()) if (victim.moment !== 'racing') this.#kill(victim);
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      for (const victim of this.#ready()) if (this.#isDue(victim)) this.#kill(victim);
      await sleep(POLL_MS);
    }
  }

  #ready(): readonly Victim[] {
    this.#learn();
    if (this.#waiting.size === 0) return [];
    const wrote = new Set(readLines(this.#from.lines).map(({ jobId }) => jobId));
    const ready = [...this.#waiting.values()].filter(
      ({ jobId, moment }) => moment === 'early' || wrote.has(jobId),
    );
    return ready.filter(({ jobId }) => supervisorOf(this.#from.serve.dataDir, jobId) !== null);
  }

  #learn(): void {
    for (const accepted of this.#from.ledger.all) {
      if (this.#known.has(accepted.id)) continue;
      this.#known.add(accepted.id);
      for (const [index, { victim }] of accepted.sweep.points.entries()) {
        if (victim === null) continue;
        const jobId = jobIdOf(accepted, index);
        this.#waiting.set(jobId, { ...victim, jobId, readyAt: null });
      }
    }
  }

  #isDue(victim: Victim): boolean {
    victim.readyAt ??= Date.now();
    if (victim.moment === 'early') return true;
    const waits = victim.moment === 'service down' && this.#isStorm;
    return Date.now() - victim.readyAt >= (waits ? LONGEST_WAIT_MS : victim.delayMs);
  }

  #kill({ jobId, moment }: Victim): void {
    const pid = supervisorOf(this.#from.serve.dataDir, jobId);
    if (pid === null || !this.#waiting.delete(jobId)) return;
    // Its number may be another's by now.
    const isThere = processesBelow(this.#from.serve.dataDir).some((each) => each.pid === pid);
    if (!isThere && moment === 'racing') return;
    if (!isThere) {
      this.#from.ledger.broken.push(`the supervisor of ${jobId} was gone before it was killed`);
      return;
    }
    process.kill(pid, 'SIGKILL');
    this.#killed.push({ jobId, moment, serviceWasUp: this.#from.serve.isUp });
  }
}
