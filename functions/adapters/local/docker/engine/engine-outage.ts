import type { Log } from '../../../../ports/runtime.ts';

/** Says once that the engine does not answer, and once that it does again. */
export interface EngineOutage {
  /** A question got no answer. */
  begin(error: unknown): void;
  /** Does a round of questions; an outage is over after one in which every question got its answer. Rejects as the round does. */
  round(questions: () => Promise<void>): Promise<void>;
}

/** Nothing is said while `isClosing`. */
export function createEngineOutage(log: Log, isClosing: () => boolean): EngineOutage {
  let isOut = false;
  let unanswered = 0;
  return {
    begin(error) {
      unanswered += 1;
      if (isOut || isClosing()) return;
      isOut = true;
      log.warn(
        { err: error },
        'the Docker engine does not answer; jobs keep their state until it does. Is it running?',
      );
    },
    async round(questions) {
      const before = unanswered;
      await questions();
      if (!isOut || unanswered > before) return;
      isOut = false;
      log.info({}, 'the Docker engine answers again');
    },
  };
}
