import type { Sweep } from './plan.ts';

/** A submission that was answered 202, or that a client without an answer found accepted. */
export interface Accepted {
  readonly sweep: Sweep;
  readonly id: string;
  readonly by: 'http' | 'cli';
  readonly jobs: number;
}

/** What the clients were told. */
export class Ledger {
  readonly #accepted = new Map<string, Accepted>();
  #repeats = 0;
  /** Promises that were seen broken on the way. */
  readonly broken: string[] = [];

  get all(): readonly Accepted[] {
    return [...this.#accepted.values()];
  }

  /** Requests that were repeated with the same Idempotency-Key. */
  get repeats(): number {
    return this.#repeats;
  }

  accepted(answer: Accepted): void {
    const { name } = answer.sweep;
    const before = this.#accepted.get(name);
    if (before !== undefined && before.id !== answer.id)
      this.broken.push(`${name} was accepted as ${before.id} and as ${answer.id}`);
    this.#accepted.set(name, answer);
  }

  repeated(name: string, isSame: boolean): void {
    this.#repeats += 1;
    if (!isSame) this.broken.push(`${name}, sent again, got another answer`);
  }
}

/** Id of a job: its submission and its index, as wide as the last one's. */
export function jobIdOf({ id, sweep }: Accepted, index: number): string {
  const width = String(Math.max(sweep.points.length - 1, 0)).length;
  return `${id}-${String(index).padStart(width, '0')}`;
}
