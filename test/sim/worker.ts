import { AppError } from '../../shared/errors/app-error.ts';
import type { FaultRates } from './faults.ts';
import { NEVER, type World } from './world.ts';

/**
 * What may die: one invocation of the service, or an instance of it with all that runs there. It may crash at any port call; what it was
 * doing then never continues.
 */
export class Worker {
  alive = true;
  /** Submissions this worker read as stopped: from then on it must not create or start anything of them. */
  readonly sawStopped = new Set<string>();

  /** Waits whose message it published, by id: when, as the observer counts. */
  readonly published = new Map<string, number>();

  private readonly world: World;
  private readonly ratesNow: () => FaultRates;
  private readonly onCrash: () => void;

  constructor(world: World, ratesNow: () => FaultRates, onCrash: () => void) {
    this.world = world;
    this.ratesNow = ratesNow;
    this.onCrash = onCrash;
  }

  /** A port call: takes time before and after its effect; may crash before it, after it, or lose its reply. */
  async call<T>(effect: () => Promise<T>): Promise<T> {
    if (!this.alive) return NEVER;
    const { world } = this;
    const rates = this.ratesNow();
    // A long pause makes a zombie: its lease and its claims run out while it sleeps.
    await world.sleep(
      world.chance(rates.pause) ? world.between(20_000, 150_000) : world.between(1, 40),
    );
    if (world.chance(rates.crashBefore)) return this.crash();
    // It died meanwhile, with its instance: what it had not sent yet is never sent.
    if (!this.alive) return NEVER;
    const result = await effect();
    if (world.chance(rates.crashAfter)) return this.crash();
    await world.sleep(world.between(1, 40));
    if (!this.alive) return NEVER;
    if (world.chance(rates.lostReply)) throw new AppError('UNAVAILABLE', 'The reply was lost.');
    return result;
  }

  /** Dies now. */
  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.onCrash();
  }

  private crash(): Promise<never> {
    this.die();
    return NEVER;
  }
}
