import type { Random } from '../../functions/ports/runtime.ts';

/** Repeatable randomness: the same seed gives the same numbers (a linear congruence) and the same ids. */
export function seededRandom(seed = 1): Random {
  let state = seed;
  let ids = 0;
  return {
    next() {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 4_294_967_296;
    },
    id: () => (++ids).toString(16).padStart(20, '0'),
  };
}
