import { parseArgs } from 'node:util';
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
const options = {
  seed: Number(values.seed),
  jobs: Number(values.jobs),
  kills: Number(values.kills),
  supervisors: Number(values.supervisors),
};
const report = await runChaos(options, (line) => console.log(line));
console.log(reportText(report));
if (isSound(report) && !values.keep) forgetRun(report);
else console.log(`The data is in ${report.home}.`);
if (!isSound(report)) {
  const { seed, jobs, kills, supervisors } = options;
  console.log(
    `Again: npm run chaos -- --seed ${seed} --jobs ${jobs} --kills ${kills} --supervisors ${supervisors}`,
  );
}
process.exitCode = isSound(report) ? 0 : 1;
