import { readdirSync } from 'node:fs';
import { root, run } from './run.ts';

/** Runs the benches of test/bench (or those named), each in a process of its own. */
const named = process.argv.slice(2);
const files = readdirSync(`${root}test/bench`).filter((file) => file.endsWith('.bench.ts'));
run('build', process.execPath, ['scripts/build.ts']);
for (const file of files) {
  if (named.length === 0 || named.some((name) => file.startsWith(name)))
    run(file, process.execPath, [`test/bench/${file}`]);
}
