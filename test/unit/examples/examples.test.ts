import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { parseExperimentConfig } from '../../../shared/experiments/config-model.ts';
import { experiments } from '../../../shared/experiments/expand.ts';
import { hasPart } from '../../fixtures/require.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function train(...flags: string[]): Promise<Run> {
  const script = join(EXAMPLES, 'digits/train.py');
  try {
    const { stdout, stderr } = await promisify(execFile)('python3', ['-B', script, ...flags], {
      cwd: tmpdir(),
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    if (error instanceof Error && 'stdout' in error && 'code' in error) {
      return { code: Number(error.code), stdout: `${error.stdout}`, stderr: error.message };
    }
    throw error;
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

function accuracyOf(run: Run): number {
  return Number(/^accuracy (0\.\d{4})$/.exec(lastLine(run.stdout))?.[1]);
}

const QUICK = ['--epochs', '2', '--batch_size', '8', '--learning_rate', '0.3'];

describe.runIf(hasPart('python'))('examples/digits/train.py', () => {
  test('learns the digits, the same for the same seed and not for another', async ({ expect }) => {
    const [first, again, other] = await Promise.all([
      train(...QUICK, '--seed', '7'),
      train(...QUICK, '--seed', '7'),
      train(...QUICK, '--seed', '8'),
    ]);
    expect(accuracyOf(first)).toBeGreaterThan(0.85);
    expect(again.stdout).toBe(first.stdout);
    expect(other.stdout).not.toBe(first.stdout);
  }, 30_000);

  test('prints each epoch, and learns little from steps that are too short', async ({ expect }) => {
    const run = await train('--epochs', '2', '--learning_rate', '0.0001');
    expect(run.stdout.match(/^epoch [12]\/2 accuracy 0\.\d{4}$/gm)).toHaveLength(2);
    expect(accuracyOf(run)).toBeLessThan(0.85);
  }, 30_000);

  test('appends one line of JSON to the file named by --record', async ({
    expect,
    onTestFinished,
  }) => {
    const folder = mkdtempSync(join(tmpdir(), 'digits-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'ends.jsonl');
    const run = await train(...QUICK, '--record', file);
    await train(...QUICK, '--record', file, '--seed', '2');
    const ends = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const flags = { learning_rate: 0.3, epochs: 2, batch_size: 8 };
    expect(ends).toEqual([
      { ...flags, seed: 1, accuracy: accuracyOf(run) },
      { ...flags, seed: 2, accuracy: expect.any(Number) },
    ]);
  }, 30_000);

  test.for([
    [['--learning_rate', '0'], '--learning_rate: 0 is not a number above 0'],
    [['--epochs', 'many'], '--epochs: invalid positive_int value'],
    [['--epoch', '3'], 'unrecognized arguments: --epoch 3'],
    [['--record', '/no/such/folder/x'], 'there is no folder /no/such/folder'],
  ] as const)('refuses %j with status 2', async ([flags, message], { expect }) => {
    const run = await train(...flags);
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toContain(message);
  });

  test('takes every flag of its experiments', async ({ expect }) => {
    const { stdout } = await train('--help');
    for (const name of flagNames('digits')) expect(stdout).toContain(`--${name} `);
  });
});

function configText(example: string): string {
  return readFileSync(join(EXAMPLES, example, 'experiment.json'), 'utf8');
}

function flagNames(example: string): Set<string> {
  const points = Array.from(experiments(parseExperimentConfig(configText(example))));
  return new Set(points.flatMap((point) => point.map(([name]) => name)));
}

test.for([
  ['digits', 16n],
  ['sklearn', 4n],
] as const)('examples/%s has a commented sweep', ([example, count], { expect }) => {
  const text = configText(example);
  expect(text).toMatch(/^#/m);
  expect(parseExperimentConfig(text).count).toBe(count);
});

test('the sklearn example declares every flag of its experiments', ({ expect }) => {
  const script = readFileSync(join(EXAMPLES, 'sklearn/trainer/train.py'), 'utf8');
  for (const name of flagNames('sklearn')) expect(script).toContain(`add_argument("--${name}"`);
});

test('the data of the digits example is the file its README describes', ({ expect }) => {
  const data = readFileSync(join(EXAMPLES, 'digits/digits.csv.gz'));
  const readme = readFileSync(join(EXAMPLES, 'digits/README.md'), 'utf8');
  expect(readme).toContain(createHash('sha256').update(data).digest('hex'));
});
