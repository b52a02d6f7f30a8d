import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compare, ms, report } from './measure.ts';

// How much later than a bare Node the CLI answers; the baseline is `node -e 0` in the same rounds.
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const start =
  (...args: string[]) =>
  () => {
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
    if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`);
  };
const times = await compare(15, {
  bare: start('-e', '0'),
  help: start(main, '--help'),
  cloudHelp: start(main, 'cloud', '--help'),
  version: start(main, 'version'),
});
const bare = times['bare'] ?? 0;
const NAMES = { help: '--help', cloudHelp: 'cloud --help', version: 'version' };
for (const [name, command] of Object.entries(NAMES)) {
  const took = times[name] ?? 0;
  report({
    what: `CLI start, \`${command}\` (\`cli-start\`)`,
    ratio: took / bare,
    measured: `${ms(took)}, ${ms(took - bare)} more`,
    baseline: `\`node -e 0\`: ${ms(bare)}`,
  });
}
