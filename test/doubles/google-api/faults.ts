import { status } from '@grpc/grpc-js';
import type { Random } from '../../../functions/ports/runtime.ts';

/**
 * What goes wrong with one call. `refuse`: nothing happens. `lose`: the call takes effect, its reply is lost.
 * `delay`: it takes effect at once, the reply comes `ms` later.
 */
export type Fault =
  | { readonly kind: 'refuse'; readonly code: number; readonly message: string }
  | { readonly kind: 'lose'; readonly code: number; readonly message: string }
  | { readonly kind: 'delay'; readonly ms: number };

/** The faults that a network and a big service have. */
export const FAULTS = {
  unavailable: {
    kind: 'refuse',
    code: status.UNAVAILABLE,
    message: 'The service is currently unavailable.',
  },
  internal: { kind: 'refuse', code: status.INTERNAL, message: 'Internal error encountered.' },
  lostReply: { kind: 'lose', code: status.UNAVAILABLE, message: 'Connection dropped' },
  lateReply: { kind: 'lose', code: status.DEADLINE_EXCEEDED, message: 'Deadline Exceeded' },
  slow: { kind: 'delay', ms: 500 },
} as const satisfies Record<string, Fault>;

/** Chance of each fault of `FAULTS`, in [0, 1]; together at most 1. */
export type FaultRates = { readonly [fault in keyof typeof FAULTS]?: number };

export interface Faults {
  /** The next calls of a method (as in `CreateCustomJob`) meet these, in order; null: that call goes well. */
  script(method: string, ...faults: readonly (Fault | null)[]): void;
  /** From now on each call that no script speaks of may fail: of the named methods, or of all. */
  rates(rates: FaultRates, methods?: readonly string[]): void;
  /** No script and no rate any more. */
  clear(): void;
  /** For the server: what this call meets. */
  next(method: string): Fault | null;
}

/** Faults, none at first; the same random numbers give the same ones. */
export function createFaults(random: Random): Faults {
  const scripts = new Map<string, (Fault | null)[]>();
  let rated: { rates: FaultRates; methods: readonly string[] | undefined } | undefined;
  return {
    script(method, ...faults) {
      scripts.set(method, [...(scripts.get(method) ?? []), ...faults]);
    },
    rates(rates, methods) {
      rated = { rates, methods };
    },
    clear() {
      scripts.clear();
      rated = undefined;
    },
    next(method) {
      const scripted = scripts.get(method)?.shift();
      if (scripted !== undefined) return scripted;
      if (rated === undefined || rated.methods?.includes(method) === false) return null;
      return drawn(rated.rates, random.next());
    },
  };
}

function drawn(rates: FaultRates, at: number): Fault | null {
  let sum = 0;
  for (const [name, fault] of Object.entries(FAULTS)) {
    sum += rates[name as keyof typeof FAULTS] ?? 0;
    if (at < sum) return fault;
  }
  return null;
}
