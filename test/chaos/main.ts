import { parseArgs } from 'node:util';
import { REQUIRED } from './plan.ts';
import { isSound, reportText } from './report.ts';
import { forgetRun, runChaos } from './run-chaos.ts';

/**
 * Kills the real service again and again while real clients submit: `npm run chaos -- --seed 7 --jobs 1000 --kills 8`. A seed's
 * decisions are always the same. Exit status 1 when a promise was broken; then, and with `--keep`, the data stays.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    jobs: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '8' },
    supervisors: { type: 'string', default: '12' },
    keep: { type: 'boolean', default: false },
  },
});
const { seed, jobs, kills, supervisors } = values;
const again = `Again: npm run chaos -- --seed ${seed} --jobs ${jobs} --kills ${kills} --supervisors ${supervisors}`;
const options = {
  seed: Number(seed),
  jobs: Number(jobs),
  kills: Number(kills),
  supervisors: Number(supervisors),
};
if (options.kills < REQUIRED.length)
  console.log(
    `${REQUIRED.length} kills, not ${kills}: every run has one in each of ${REQUIRED.join(', ')}.`,
  );
try {
  const report = await runChaos(options, (line) => console.log(line));
  console.log(reportText(report));
  if (isSound(report) && !values.keep) forgetRun(report);
  else console.log(`The data is in ${report.home}.`);
  if (!isSound(report)) throw new Error('a promise was broken');
} catch (error) {
  console.log(error instanceof Error ? error.stack : error);
  console.log(again);
  process.exitCode = 1;
}
