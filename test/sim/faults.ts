import type { World } from './world.ts';

/** How often each kind of fault strikes, per port call or message; all zero after the storm. */
export interface FaultRates {
  crashBefore: number;
  crashAfter: number;
  lostReply: number;
  pause: number;
  duplicate: number;
  drop: number;
  refuse: number;
  /** Creates that get no answer, and take effect after their client gave up, or never. */
  late: number;
}

/** No faults: the fair weather in which everything must end. */
export const FAIR: FaultRates = {
  crashBefore: 0,
  crashAfter: 0,
  lostReply: 0,
  pause: 0,
  duplicate: 0,
  drop: 0,
  refuse: 0,
  late: 0,
};

/** A storm of the seed's choice: each kind is off, rare or common, so that some seeds combine few and some many. */
export function stormOf(world: World): FaultRates {
  const rate = (common: number): number => world.pick([0, common / 10, common]);
  return {
    crashBefore: rate(0.03),
    crashAfter: rate(0.03),
    lostReply: rate(0.03),
    pause: rate(0.02),
    duplicate: rate(0.3),
    drop: rate(0.1),
    refuse: rate(0.2),
    late: rate(0.1),
  };
}
