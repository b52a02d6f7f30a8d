import { HEALS } from '../../functions/core/check/difference.ts';
import { checkAll } from '../doubles/checked.ts';
import type { Invariants } from './invariants.ts';
import type { SimService } from './sim-service.ts';

const PAUSE_MS = 5_000;
/** Longer than what repairs take. */
const LONG_PAUSE_MS = 5 * 60_000;

/** Checks the records now and again while everything moves: nothing may be told but what a repair is on its way to. */
export function scheduleChecks(service: SimService, invariants: Invariants): void {
  service.world.after(service.world.between(10_000, 120_000), () => {
    service
      .invoke((deps) => checkAll(deps, { pauseMs: PAUSE_MS }))
      .then(({ differences }) => {
        const lasting = differences.filter(({ fix }) => fix !== HEALS);
        tell(lasting, invariants);
      })
      // A worker that crashed tells nothing.
      .catch(() => undefined);
    scheduleChecks(service, invariants);
  });
}

/** Checks the records once everything has ended: nothing at all may be told. */
export async function checkRecords(
  service: SimService,
  invariants: Invariants,
  withinMs: number,
): Promise<void> {
  let isDone = false;
  const checked = service
    .invoke((deps) => checkAll(deps, { pauseMs: LONG_PAUSE_MS }))
    .then(({ differences }) => tell(differences, invariants))
    .finally(() => {
      isDone = true;
    });
  if (await service.world.run(withinMs, () => isDone)) await checked;
  else invariants.broken('recount', 'it does not end');
}

function tell(
  differences: Awaited<ReturnType<typeof checkAll>>['differences'],
  invariants: Invariants,
): void {
  for (const { kind, subject, found } of differences) {
    invariants.broken('recount', `${kind} of ${subject}: ${found}`);
  }
}
