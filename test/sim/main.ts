import { parseArgs } from 'node:util';
import { runSeed } from './run-seed.ts';

/**
 * Plays seeds of the simulator by hand: `npm run sim -- --from 1 --to 5000`, or one again: `npm run sim -- --seed 17`.
 * Exit status 1 when a promise was broken; `--first` stops there.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    to: { type: 'string', default: '1000' },
    first: { type: 'boolean', default: false },
  },
});
const from = Number(values.seed ?? values.from);
const to = Number(values.seed ?? values.to);
const startedAt = performance.now();
let broken = 0;
for (let seed = from; seed <= to; seed++) {
  const violation = await runSeed(seed);
  if (violation === undefined) continue;
  broken++;
  console.log(`seed ${seed}: ${violation}\n  again: npm run sim -- --seed ${seed}`);
  if (values.first) break;
}
console.log(
  `${to - from + 1} seeds from ${from}, ${broken} broken, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
);
process.exitCode = broken === 0 ? 0 : 1;
