import { spawnSync } from 'node:child_process';
import { root } from './run.ts';

// dependency-cruiser reads no TypeScript at all, and calls it success, when it meets a compiler it does not know:
// so the number of files it read is checked too.
const cruised = spawnSync(
  process.execPath,
  [
    'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
    'cli',
    'functions',
    'shared',
    'test',
    'scripts',
  ],
  { cwd: root, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
);
const report = JSON.parse(cruised.stdout || '{}');
const total: number = report.summary?.totalCruised ?? 0;
if (total < 10) {
  console.error(`dependency-cruiser read only ${total} files.\n${cruised.stderr}`);
  process.exit(1);
}
for (const violation of report.summary.violations) {
  console.error(`${violation.rule.name}: ${violation.from} → ${violation.to}`);
}
process.exit(report.summary.violations.length === 0 ? 0 : 1);
