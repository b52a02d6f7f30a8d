import type { Clock, Log } from '../../../ports/runtime.ts';
import type { AttemptKeeper } from './attempt-keeper.ts';
import type { Workspaces } from './workspaces.ts';

const EVERY_MS = 3_600_000;

/** What sweeping works with. */
export interface SweeperDeps {
  readonly workspaces: Workspaces;
  readonly keeper: Pick<AttemptKeeper, 'attempts'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Removes unused source trees now and after each hour, until it is closed. */
export function startSweeper(deps: SweeperDeps): { close(): Promise<void> } {
  const closing = new AbortController();
  const sweeping = sweepOn(deps, closing.signal);
  return {
    close: async () => {
      closing.abort();
      await sweeping;
    },
  };
}

async function sweepOn(deps: SweeperDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await deps.workspaces.sweep(layersOfOpen(deps.keeper));
    } catch (error) {
      deps.log.warn({ err: error }, 'unused source trees were not removed; it is tried again');
    }
    await deps.clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
}

function layersOfOpen(keeper: SweeperDeps['keeper']): readonly (readonly string[])[] {
  return [...keeper.attempts.values()]
    .filter((attempt) => attempt.phase !== 'ended')
    .flatMap(({ spec }) => (spec.job.run.kind === 'workspace' ? [spec.job.run.layers] : []));
}
