import { parseArgs } from 'node:util';
import { startHostileService } from '../hostile/hostile-service.ts';
import { runSchemathesis } from './run-schemathesis.ts';

/**
 * Tests the HTTP API against its own description for as long as you like: `npm run fuzz -- --examples 500` (for each operation,
 * at most), or `npm run fuzz -- --seconds 600 --seed 7`. Exit status 1 when something was found; the report has a curl line
 * for it, and names the seed.
 */
const { values } = parseArgs({
  options: {
    examples: { type: 'string', default: '100' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
  },
});
// Ctrl-C reaches schemathesis too, which then reports what it found so far.
process.on('SIGINT', () => undefined);
const service = await startHostileService();
try {
  const { status } = await runSchemathesis(service, {
    examples: Number(values.examples),
    seed: Number(values.seed),
    seconds: values.seconds === undefined ? null : Number(values.seconds),
    output: 'inherit',
    signal: null,
  });
  process.exitCode = status === 0 ? 0 : 1;
} finally {
  await service.stop();
}
