import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import { firstSeedThatFinds, MUTANTS } from './mutants.ts';

const SEEDS = 1_000;

describe('simulator', () => {
  test(`no promise is broken on ${SEEDS} seeds`, async ({ expect }) => {
    const workers = availableParallelism();
    const share = Math.ceil(SEEDS / workers);
    const outputs = await Promise.all(
      Array.from({ length: workers }, (_, at) =>
        play(at * share + 1, Math.min(SEEDS, (at + 1) * share)),
      ),
    );
    expect(outputs.filter(({ status }) => status !== 0).map(({ text }) => text)).toEqual([]);
  });

  for (const mutant of MUTANTS) {
    test(`finds the bug: ${mutant.name}`, ({ expect }) => {
      expect(firstSeedThatFinds(mutant, SEEDS)).toBeDefined();
    });
  }
});

function play(from: number, to: number): Promise<{ status: number | null; text: string }> {
  return new Promise((resolve) => {
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, '--from', String(from), '--to', String(to)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.on('close', (status) => resolve({ status, text }));
  });
}
