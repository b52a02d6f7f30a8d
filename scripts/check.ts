import { run, tool } from './run.ts';

/** Everything that finds a red change fast: format and lint, types, import directions, dead code, unit tests. */
run('format and lint', 'node_modules/.bin/biome', ['check', '.', '--error-on-warnings']);
tool('types', 'typescript/bin/tsc', ['-p', 'tsconfig.json']);
run('import directions', process.execPath, ['scripts/deps.ts']);
tool('dead code', 'knip/bin/knip.js', ['--no-progress']);
tool('unit tests', 'vitest/vitest.mjs', ['run', '--reporter=minimal', '--project', 'unit']);
