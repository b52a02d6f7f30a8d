import type { AttemptSpec } from '../../functions/adapters/local/attempts/attempt-record.ts';
import type { ContainerRecord } from '../../functions/adapters/local/docker/containers/container-record.ts';
import {
  advance,
  type Progress,
  type RunDeps,
} from '../../functions/adapters/local/docker/containers/container-run.ts';
import type {
  ContainerFacts,
  Containers,
} from '../../functions/adapters/local/docker/containers/containers.ts';
import { newDockerAttempt } from '../../functions/adapters/local/docker/containers/docker-attempt.ts';
import { EngineSilent } from '../../functions/adapters/local/docker/engine/engine-call.ts';
import { SILENT_LOG } from './logs.ts';

interface Box {
  facts: ContainerFacts;
  /** That it was started is on the engine's disk. */
  isSaved: boolean;
  /** The engine has been running since it made it. */
  isRemembered: boolean;
}

/** How a change that the service asks for goes wrong: the service is killed before or after it, a start comes late, the engine ends. */
export type Fault = 'killed-before' | 'killed-after' | 'start-late' | 'engine-ends';

class ServiceKilled extends Error {}

/**
 * One attempt on an engine that dies and forgets as Docker does, under a service that can be killed at each request: what it does is
 * `advance` itself. Starts of a program are counted over all its containers.
 */
export class ForgetfulWorld {
  readonly #boxes = new Map<string, Box>();
  readonly #lateStarts: string[] = [];
  readonly #deps: RunDeps;
  readonly #spec: AttemptSpec;
  #attempt: ReturnType<typeof newDockerAttempt>;
  #record: ContainerRecord | null = null;
  #fault: { readonly kind: Fault; skip: number } | null = null;
  #isAway = false;
  #lateAt: 'rename' | 'remove' | null = null;
  #now = 1_000_000;
  readonly #closing = new AbortController();
  made = 0;
  starts = 0;
  /** How often the files of a container that has exited were kept. */
  kept = 0;
  /** How often its log was completed. */
  completions = 0;
  /** Looks that the keeping of files takes. */
  looksToKeep = 1;
  /** How often the engine ended, or somebody removed the container. */
  interferences = 0;
  end: Extract<Progress, { readonly kind: 'ended' }> | null = null;

  constructor(spec: AttemptSpec) {
    this.#spec = spec;
    this.#attempt = newDockerAttempt('job1.1', spec);
    this.#deps = {
      containers: this.#containers(),
      output: {
        attach: async () => undefined,
        follow: async () => undefined,
        complete: async () => {
          this.completions += 1;
          return true;
        },
        giveUp: async () => undefined,
        stop: async () => undefined,
        conclude: async () => undefined,
        last: async () => '',
      },
      kept: { keep: (_, id) => this.#changed(() => this.#keep(id)) },
      saveRecord: async (_, record) => {
        const fault = this.#dueFault();
        if (fault === 'killed-before') throw new ServiceKilled();
        this.#record = record;
        if (fault === 'killed-after') throw new ServiceKilled();
        if (fault === 'engine-ends') this.endEngine();
      },
      clock: { now: () => this.#now, sleep: () => new Promise(() => undefined) },
      log: SILENT_LOG,
      service: '0123456789ab',
      limits: { cpus: null, memoryBytes: null },
      maxLogBytes: 1000,
      maxProcesses: 100,
      closing: this.#closing.signal,
    };
  }

  /** One look of the service, as far as it gets. */
  async look(): Promise<void> {
    if (this.end !== null) return;
    try {
      const progress = await advance(this.#deps, this.#attempt);
      if (progress.kind === 'ended') this.end = progress;
    } catch (error) {
      if (error instanceof EngineSilent) {
        // As the keeper does.
        this.#attempt.isRemembered = null;
        return;
      }
      if (!(error instanceof ServiceKilled)) throw error;
      const { stopRequested } = this.#attempt;
      this.#attempt = newDockerAttempt('job1.1', this.#spec);
      Object.assign(this.#attempt, { record: this.#record, stopRequested });
    }
  }

  /** Once `skip` changes went well. A late start is the next one. */
  failNext(kind: Fault, skip = 0): void {
    this.#fault = { kind, skip };
  }

  /** Late starts come just before the next such request. */
  lateAt(request: 'rename' | 'remove'): void {
    this.#lateAt = request;
  }

  deliverLateStarts(): void {
    for (const name of this.#lateStarts.splice(0)) this.#start(name);
  }

  /** The program ends, if it runs. */
  exit(): void {
    for (const box of this.#boxes.values()) {
      if (box.facts.status !== 'running') continue;
      box.isSaved = true;
      box.facts = { ...box.facts, status: 'exited', finishedAt: this.#now };
    }
  }

  /** Much time passes: what the engine does is on its disk. */
  wait(): void {
    this.#now += 20_000;
    for (const box of this.#boxes.values()) box.isSaved = true;
  }

  close(): void {
    this.#closing.abort();
  }

  stop(): void {
    this.#attempt.stopRequested = true;
  }

  /** As a dockerd that was killed: what ran is ended, and what it had not saved was never started. It takes a moment to come back. */
  endEngine(): void {
    this.interferences += 1;
    this.#isAway = true;
    this.#lateStarts.length = 0;
    for (const box of this.#boxes.values()) {
      box.isRemembered = false;
      if (box.facts.status !== 'running') continue;
      box.facts = box.isSaved
        ? { ...box.facts, status: 'exited', finishedAt: this.#now, exitCode: 137 }
        : { ...box.facts, status: 'created', startedAt: null };
    }
  }

  /** As by `docker rm --force`. */
  removeAll(): void {
    if (this.#boxes.size > 0) this.interferences += 1;
    this.#boxes.clear();
  }

  async #changed<T>(effect: () => T): Promise<T> {
    this.#reach();
    const fault = this.#dueFault();
    if (fault === 'killed-before') throw new ServiceKilled();
    const result = effect();
    if (fault === 'killed-after') throw new ServiceKilled();
    if (fault === 'engine-ends') this.endEngine();
    this.#reach();
    return result;
  }

  #reach(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    throw new EngineSilent('away', 'socket hang up');
  }

  #dueFault(): Fault | null {
    const fault = this.#fault;
    if (fault === null || fault.kind === 'start-late') return null;
    fault.skip -= 1;
    if (fault.skip >= 0) return null;
    this.#fault = null;
    return fault.kind;
  }

  #containers(): Containers {
    const never = () => Promise.reject(new Error('not asked'));
    return {
      list: never,
      attach: never,
      changes: never,
      archive: never,
      replay: never,
      kill: never,
      hasEntrypoint: async () => true,
      inspect: async (name) => {
        this.#reach();
        return this.#find(name)?.facts ?? null;
      },
      create: (name, { Labels = {} }) => this.#changed(() => this.#create(name, Labels)),
      start: (name) => {
        if (this.#fault?.kind !== 'start-late') return this.#changed(() => this.#start(name));
        this.#fault = null;
        this.#lateStarts.push(name);
        return Promise.reject(new ServiceKilled());
      },
      rename: (id, name) =>
        this.#changed(() => {
          this.#comeLate('rename');
          const box = this.#find(id);
          if (box !== undefined) box.facts = { ...box.facts, name };
        }),
      remove: (id) =>
        this.#changed(() => {
          this.#comeLate('remove');
          const box = this.#find(id);
          if (box?.facts.status === 'running') return false;
          return this.#boxes.delete(id);
        }),
      remembersMaking: async ({ id }) => this.#find(id)?.isRemembered ?? false,
    };
  }

  #keep(id: string): boolean {
    this.looksToKeep -= 1;
    if (this.looksToKeep > 0) return false;
    if (this.#find(id)?.facts.status === 'exited') this.kept += 1;
    return true;
  }

  // And the program is a short one.
  #comeLate(request: 'rename' | 'remove'): void {
    if (this.#lateAt !== request) return;
    this.#lateAt = null;
    this.deliverLateStarts();
    this.exit();
  }

  #find(name: string): Box | undefined {
    const byName = [...this.#boxes.values()].find(({ facts }) => facts.name === name);
    return this.#boxes.get(name) ?? byName;
  }

  #create(name: string, labels: Readonly<Record<string, string>>): string | null {
    if (this.#find(name) !== undefined) return null;
    this.made += 1;
    const id = `c${this.made}`;
    const facts: ContainerFacts = {
      ...{ id, name, labels, createdAt: this.#now, status: 'created', error: '' },
      ...{ startedAt: null, finishedAt: null, exitCode: 0, outOfMemory: false },
    };
    this.#boxes.set(id, { facts, isSaved: true, isRemembered: true });
    return id;
  }

  // Docker starts a container that has exited again, when it is asked to.
  #start(name: string): void {
    const box = this.#find(name);
    if (box === undefined || box.facts.status === 'running') return;
    this.starts += 1;
    box.isSaved = false;
    box.facts = { ...box.facts, status: 'running', startedAt: this.#now };
  }
}
