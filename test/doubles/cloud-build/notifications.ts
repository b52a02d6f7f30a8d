import type { Clock, Random } from '../../../functions/ports/runtime.ts';
import { buildJson } from './build-json.ts';
import type { Build } from './build-record.ts';

/** Puts one message on the topic `cloud-builds`. */
export type Publish = (
  data: Uint8Array,
  attributes: { readonly buildId: string; readonly status: string },
) => Promise<unknown>;

/** What happens to one notification. */
export type NotificationFault =
  | { readonly kind: 'drop' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'delay'; readonly ms: number };

/** Chance of each fault, in [0, 1]; together at most 1. A delay by chance is of up to `maxDelayMs`, 5000 by default. */
export interface NotificationRates {
  readonly drop?: number;
  readonly duplicate?: number;
  readonly delay?: number;
  readonly maxDelayMs?: number;
}

export interface Notifications {
  /** Tells of the build as it is now; never throws: what cannot be published is lost. */
  tell(build: Build): void;
  /** The next notifications meet these, in order; null: that one goes well. */
  script(...faults: readonly (NotificationFault | null)[]): void;
  /** From now on each one that no script speaks of may meet a fault. */
  rates(rates: NotificationRates): void;
  /** Those that were to be told, in order, and what became of them. */
  told(): readonly Told[];
  /** Resolves once none is under way. */
  settled(): Promise<void>;
}

export interface Told {
  readonly buildId: string;
  readonly status: string;
  readonly fault: NotificationFault | null;
}

interface Deps {
  readonly clock: Clock;
  readonly random: Random;
  readonly publish: Publish;
  /** Ends delays. */
  readonly signal: AbortSignal;
}

/** Tells a topic of each change of status, at least once and in no order, as Cloud Build does; and worse when told to. */
export function createNotifications({ clock, random, publish, signal }: Deps): Notifications {
  const scripted: (NotificationFault | null)[] = [];
  const told: Told[] = [];
  const underWay = new Set<Promise<void>>();
  let rated: NotificationRates = {};

  async function send(build: Build, fault: NotificationFault | null): Promise<void> {
    if (fault?.kind === 'drop') return;
    const data = new TextEncoder().encode(JSON.stringify(buildJson(build)));
    const attributes = { buildId: build.id, status: build.status };
    if (fault?.kind === 'delay') await clock.sleep(fault.ms, signal);
    await publish(data, attributes);
    if (fault?.kind === 'duplicate') await publish(data, attributes);
  }

  return {
    tell(build) {
      const [next] = scripted.splice(0, 1);
      const fault = next === undefined ? drawn(rated, random) : next;
      told.push({ buildId: build.id, status: build.status, fault });
      // A missing topic loses the message; so does the end of the double.
      const sending = send(build, fault)
        .catch(() => {})
        .finally(() => underWay.delete(sending));
      underWay.add(sending);
    },
    script: (...faults) => void scripted.push(...faults),
    rates(rates) {
      rated = rates;
    },
    told: () => told,
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

function drawn(rates: NotificationRates, random: Random): NotificationFault | null {
  const { drop = 0, duplicate = 0, delay = 0, maxDelayMs = 5000 } = rates;
  if (drop + duplicate + delay === 0) return null;
  const at = random.next();
  if (at < drop) return { kind: 'drop' };
  if (at < drop + duplicate) return { kind: 'duplicate' };
  if (at < drop + duplicate + delay) return { kind: 'delay', ms: random.next() * maxDelayMs };
  return null;
}
