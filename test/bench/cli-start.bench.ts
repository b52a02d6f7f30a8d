import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compare, report } from './measure.ts';

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
for (const name of ['help', 'cloudHelp', 'version']) {
  const ms = times[name] ?? 0;
  report(
    `CLI start, ${name}`,
    ms / bare,
    `${ms.toFixed(0)} ms against ${bare.toFixed(0)} ms for node -e 0: + ${(ms - bare).toFixed(0)} ms`,
  );
}
