import { describe, test } from 'vitest';
import { completeLayer } from '../../../../functions/core/complete-layer.ts';
import { tick } from '../../../../functions/core/tick.ts';
import { verifyLayer } from '../../../../functions/core/verify-layer.ts';
import { put } from '../../../../functions/ports/store.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { layerInvalid, uploadNotFound } from '../../../../shared/layers/layer-errors.ts';
import { coreDeps, START, type TestDeps } from '../../../doubles/builders.ts';

const DIFF_ID = 'd'.repeat(64);
const VERIFY = { kind: 'verify', diffId: DIFF_ID } as const;

// A store that verifies later, as a hosted one does; `verify` ends as told.
function verifiesLater(ends: () => Promise<void>): TestDeps {
  const deps = coreDeps();
  return {
    ...deps,
    layers: { ...deps.layers, complete: async () => 'complete' as never, verify: ends },
  };
}

describe('a layer that is verified later', () => {
  test('is asked for by a message', async ({ expect }) => {
    const deps = verifiesLater(async () => undefined);
    expect(await completeLayer(deps, DIFF_ID)).toBe('complete');
    expect(deps.queue.take()).toEqual([VERIFY]);
  });

  test('one that is verified at once needs none', async ({ expect }) => {
    const deps = coreDeps();
    deps.layers.addVerified(DIFF_ID);
    expect(await completeLayer(deps, DIFF_ID)).toBe('verified');
    expect(deps.queue.take()).toEqual([]);
  });

  test('that is refused, or whose upload is over, ends its message', async ({ expect }) => {
    for (const error of [layerInvalid('it has a device'), uploadNotFound(DIFF_ID)]) {
      const deps = verifiesLater(() => Promise.reject(error));
      await verifyLayer(deps, DIFF_ID);
      expect(deps.lines.map(({ message }) => message)).toEqual(['layer refused']);
    }
  });

  test('whose store does not answer is tried again', async ({ expect }) => {
    const away = new AppError('UNAVAILABLE', 'The bucket is away.');
    const deps = verifiesLater(() => Promise.reject(away));
    await expect(verifyLayer(deps, DIFF_ID)).rejects.toBe(away);
  });

  test('whose message was parked is tried again by tick', async ({ expect }) => {
    const deps = coreDeps();
    const row = {
      schemaVersion: 1,
      message: VERIFY,
      kind: VERIFY.kind,
      notBefore: START,
      attempts: 10,
      parked: true,
      leasedBy: null,
      lastError: 'Error: away',
    };
    await deps.store.commit([put({ collection: 'outbox', id: 'parked' }, row)]);
    await tick(deps);
    expect(deps.queue.take()).toEqual([]);
    await deps.clock.advance(deps.timing.repairAfterMs);
    await tick(deps);
    expect(deps.queue.take()).toEqual([VERIFY]);
  });
});
