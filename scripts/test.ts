import { run, tool } from './run.ts';

/** All tests: the checks first, so that a red change fails early, then the simulator, then the built CLI end to end, and killed. */
run('check', process.execPath, ['scripts/check.ts']);
tool('simulator', 'vitest/vitest.mjs', ['run', '--reporter=minimal', '--project', 'sim']);
// They mostly wait, for engines and emulators: two files at a time.
tool('adapters', 'vitest/vitest.mjs', [
  'run',
  '--reporter=minimal',
  '--maxWorkers=2',
  '--project',
  'adapters',
]);
run('build', process.execPath, ['scripts/build.ts']);
// One file after the other: the demo builds dist/ anew, from which the others run.
tool('end to end', 'vitest/vitest.mjs', [
  'run',
  '--reporter=minimal',
  '--no-file-parallelism',
  '--project',
  'e2e',
]);
tool('chaos', 'vitest/vitest.mjs', ['run', '--reporter=minimal', '--project', 'chaos']);
