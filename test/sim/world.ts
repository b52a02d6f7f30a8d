import type { Clock, Random } from '../../functions/ports/runtime.ts';

/** Never settles: what a crashed worker waits for. */
export const NEVER: Promise<never> = new Promise(() => undefined);

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Single-threaded virtual time with seeded chance: the same seed gives the same run. */
export class World implements Clock, Random {
  private readonly events: Event[] = [];
  private time = Date.UTC(2026, 0, 1);
  private order = 0;
  private state: number;
  private ids = 0;
  readonly startedAt = this.time;

  constructor(seed: number) {
    this.state = seed * 0x9e3779b9 + 0x85ebca6b;
  }

  now(): number {
    return this.time;
  }

  /** mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  id(): string {
    return (++this.ids).toString(16).padStart(20, '0');
  }

  between(low: number, high: number): number {
    return Math.floor(low + this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs something later; of the same instant, in an order of the seed's choice. */
  after(ms: number, run: () => void): void {
    const event = {
      at: this.time + Math.max(0, ms),
      order: this.next() + this.order++ * 1e-9,
      run,
    };
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.events[middle];
      if (
        other !== undefined &&
        (other.at > event.at || (other.at === event.at && other.order > event.order))
      )
        low = middle + 1;
      else high = middle;
    }
    this.events.splice(low, 0, event);
  }

  /** Runs events until `done` holds or `ms` of virtual time have passed; true when done. */
  async run(ms: number, done: () => boolean): Promise<boolean> {
    const until = this.time + ms;
    for (;;) {
      if (done()) return true;
      const event = this.events.pop();
      if (event === undefined) return false;
      if (event.at > until) {
        this.events.push(event);
        this.time = until;
        return false;
      }
      this.time = event.at;
      event.run();
      // Every continuation of this event runs before the next one: that is what makes a run repeatable.
      await new Promise(setImmediate);
    }
  }
}
