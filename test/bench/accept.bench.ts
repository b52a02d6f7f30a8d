import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { createWakeQueue } from '../../functions/adapters/local/wake-queue.ts';
import { createMemoryLayerStore } from '../../functions/adapters/memory/memory-layer-store.ts';
import { accept } from '../../functions/core/accept.ts';
import { createConfigCache } from '../../functions/core/config-cache.ts';
import type { CoreDeps } from '../../functions/core/deps.ts';
import { createMeters } from '../../functions/core/meters.ts';
import { DEFAULT_TIMING } from '../../functions/core/timing.ts';
import { systemClock, systemRandom } from '../../functions/runtime/system.ts';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import { benchFolder } from './bench-service.ts';
import { compare, ms, report } from './measure.ts';

// How the time to accept grows with the number of experiments, the config's size being equal: it must not. On a real database
// (SQLite, synchronous=FULL); the baseline is the config of 10 experiments in the same rounds.
const CONFIG_BYTES = 4_096;
const dir = await benchFolder();
const store = await openSqliteStore({ path: join(dir, 'service.db'), clock: systemClock });
const layer = 'a'.repeat(64);
const layers = createMemoryLayerStore({
  limits: { maxBlobBytes: 1e9, maxUncompressedBytes: 1e9, maxEntries: 1e6 },
});
layers.addVerified(layer);
const deps: CoreDeps = {
  store,
  layers,
  queue: createWakeQueue(() => undefined),
  builder: {
    plan: async () => null,
    start: async () => undefined,
    poll: async () => ({ state: 'absent' }),
    cancel: async () => undefined,
    readLog: async () => ({ text: '', next: 0 }),
  },
  registry: null,
  platforms: new Map(),
  lanes: [{ id: 'lane', platform: 'process', policy: { ratePerMinute: null, maxActive: 1 } }],
  defaultPlatform: 'process',
  clock: systemClock,
  random: systemRandom,
  log: SILENT_LOG,
  meters: createMeters(),
  timing: DEFAULT_TIMING,
  chunkSize: 200,
  configs: createConfigCache(),
  waitOnLane: async () => undefined,
};

function configOf(keys: number, extra: number): string {
  const values = Array.from({ length: 10 }, (_, i) => i);
  const sweep = Object.fromEntries(Array.from({ length: keys }, (_, i) => [`key${i}`, values]));
  const text = JSON.stringify(extra === 0 ? sweep : { ...sweep, pad: 'x'.repeat(extra) });
  return text.length < CONFIG_BYTES && extra === 0
    ? configOf(keys, CONFIG_BYTES - text.length - '"pad":"",'.length)
    : text;
}

function specOf(config: string): SubmissionSpec {
  return aSpec({ config, group: 'bench', codeLayers: [layer] });
}

const acceptOf = (keys: number) => {
  const spec = specOf(configOf(keys, 0));
  return () =>
    accept(deps, {
      principal: { id: 'ada', role: 'submitter' },
      idempotencyKey: systemRandom.id(),
      spec,
    });
};
const times = await compare(60, { 10: acceptOf(1), 1000: acceptOf(3), 100000: acceptOf(5) });
const ten = times['10'] ?? 1;
for (const count of [1_000, 100_000]) {
  const took = times[count] ?? 0;
  report({
    what: `accepting ${count.toLocaleString('en')} experiments (\`accept\`)`,
    ratio: took / ten,
    measured: ms(took),
    baseline: `10 experiments with a config of the same ${CONFIG_BYTES.toLocaleString('en')} bytes: ${ms(ten)}`,
  });
}
store.close();
await rm(dir, { recursive: true });
