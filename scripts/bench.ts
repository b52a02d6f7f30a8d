import { readdirSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { root, run } from './run.ts';

/**
 * Runs the benches of test/bench (or those named), each in a process of its own, and prints a table for docs/benchmarks.md. What
 * follows `--` goes to each bench: its sizes.
 */
const words = process.argv.slice(2);
const named = words.filter((word) => !word.startsWith('-'));
const flags = words.filter((word) => word.startsWith('-'));
const files = readdirSync(`${root}test/bench`).filter((file) => file.endsWith('.bench.ts'));
const chosen = files.filter(
  (file) => named.length === 0 || named.some((name) => file.startsWith(name)),
);
run('build', process.execPath, ['scripts/build.ts']);
const memory = `${(totalmem() / 1024 ** 3).toFixed(0)} GB`;
const machine = [`${availableParallelism()} cores`, cpus()[0]?.model, memory].join(', ');
const load = loadavg()[0]?.toFixed(1);
const date = new Date().toISOString().slice(0, 10);
console.log(`${date}: ${machine}, Node ${process.versions.node}, load ${load} before\n`);
console.log('| what | ratio | target | measured | baseline |\n|---|---|---|---|---|');
for (const file of chosen) run(file, process.execPath, [`test/bench/${file}`, ...flags]);
