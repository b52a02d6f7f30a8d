import type { Log } from '../../../../ports/runtime.ts';

/** Says once that the engine does not answer, and once that it does again. */
export interface EngineOutage {
  begin(error: unknown): void;
  end(): void;
}

/** Nothing is said while `isClosing`. */
export function createEngineOutage(log: Log, isClosing: () => boolean): EngineOutage {
  let isOut = false;
  return {
    begin(error) {
      if (isOut || isClosing()) return;
      isOut = true;
      log.warn(
        { err: error },
        'the Docker engine does not answer; jobs keep their state until it does. Is it running?',
      );
    },
    end() {
      if (!isOut) return;
      isOut = false;
      log.info({}, 'the Docker engine answers again');
    },
  };
}
