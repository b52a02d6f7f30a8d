import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import {
  createExperimentLayout,
  groupLine,
  idWidthOf,
  recentLines,
} from '../../../../cli/commands/status-layout.ts';
import { localTime } from '../../../../cli/lib/local-time.ts';
import type { ExperimentSummary, JobView } from '../../../../shared/api/jobs.ts';
import { aJob, anExperiment } from '../../../doubles/api-views.ts';

interface VectorJob {
  readonly xgroup: string;
  readonly status: JobView['state'];
  readonly platform?: string;
  readonly remote?: string;
  readonly kwargs?: Record<string, unknown>;
  readonly args?: string[];
  readonly image?: string;
  readonly container?: { job_mode?: string };
}
interface Case {
  readonly name: string;
  readonly input: {
    readonly op: string;
    readonly jobs: VectorJob[];
    readonly args: { xgroup?: string; max_jobs?: number };
    readonly home: string;
  };
  readonly expected: { readonly lines: string[] };
}
const vectors: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/history.json', import.meta.url), 'utf8'),
);
// The other two are messages of the command, tested with it.
const laidOut = vectors.cases.filter(
  ({ input, expected }) => input.op === 'status' && expected.lines.length > 1,
);

describe('the tree of the original', () => {
  test.for(laidOut)('$name', ({ input, expected }, { expect }) => {
    const { jobs, experiments } = recordsOf(input.jobs);
    const { xgroup, max_jobs } = input.args;
    const lines =
      xgroup === undefined
        ? recentTree(jobs, experiments, { limit: max_jobs ?? 8, home: input.home })
        : groupTree(jobs, experiments, { group: xgroup, each: max_jobs ?? 1, home: input.home });
    // Why a job failed is ours: the original did not tell.
    expect(lines.filter((line) => !/jobs for user|^ {6}failed: /.test(line))).toEqual(
      expected.lines.filter((line) => !/jobs for user/.test(line)).map(inOurWords),
    );
  });
});

test('long ids widen their column instead of breaking it', ({ expect }) => {
  const experiment = anExperiment();
  const jobs = [aJob({ id: '3f9a0c1d2e3f4a5b-042' }), aJob({ id: 'short' })];
  const shown = [{ experiment, jobs }];
  const lines = createExperimentLayout()(shown, { home: '/h', idWidth: idWidthOf(shown) });
  const [first = '', second = ''] = lines.slice(2);
  expect(first.indexOf('RUNNING')).toBe(second.indexOf('RUNNING'));
});

test('what an environment waits for is told under the first job that waits for it', ({
  expect,
}) => {
  const cause = { code: 'waiting-for-image', message: 'The engine is away.\n' } as const;
  const jobs = ['a', 'b'].map((id) => aJob({ id, state: 'SUBMITTED', stage: 'QUEUED', cause }));
  const lines = createExperimentLayout()(
    [
      { experiment: anExperiment(), jobs },
      { experiment: anExperiment({ id: '2' }), jobs },
    ],
    { home: '/h', idWidth: 8 },
  );
  const told = lines.flatMap((line, at) => (line.includes('The engine is away.') ? [at] : []));
  expect(told).toEqual([3]);
  expect(lines[3]).toMatch(/^ {6}waits: The engine is away\.\P{Cc}*$/u);
});

test('why a job failed is told below it, in one line that fits the terminal', ({ expect }) => {
  const failed = (id: string, message: string) =>
    aJob({ id, state: 'FAILED', stage: 'FAILED', cause: { code: 'exit-code', message } });
  const jobs = [failed('a', 'Exit code 3.'), failed('b', 'No package\n  of this name, and so on.')];
  const shown = [{ experiment: anExperiment(), jobs }];
  const lines = (width?: number) =>
    createExperimentLayout()(shown, { home: '/h', idWidth: 8, width }).slice(3);
  expect(lines()).toEqual([
    '      failed: Exit code 3.',
    expect.stringMatching(/^ {4}job b /),
    '      failed: No package of this name, and so on.',
  ]);
  expect(lines(30).at(-1)).toBe('      failed: No package of t…');
});

test('a wait for the turn is not told, one for a quota is', ({ expect }) => {
  const waits = (code: 'at-the-gate' | 'waiting-for-quota', message: string) =>
    aJob({ state: 'SUBMITTED', stage: 'QUEUED', cause: { code, message } });
  const jobs = [waits('at-the-gate', 'Its turn.'), waits('waiting-for-quota', 'No GPU is left.')];
  const lines = createExperimentLayout()([{ experiment: anExperiment(), jobs }], {
    home: '/h',
    idWidth: 8,
  });
  expect(lines.filter((line) => line.startsWith('      '))).toEqual([
    '      waits: No GPU is left.',
  ]);
});

test('names cannot move the cursor of the reader', ({ expect }) => {
  const experiment = anExperiment({ scriptArgs: ['\u001B[2J', 'a\nb'] });
  const lines = createExperimentLayout()([{ experiment, jobs: [] }], { home: '/h', idWidth: 8 });
  expect(lines.join('')).not.toMatch(/\p{Cc}/u);
});

test('extra directories are written as a Python list', ({ expect }) => {
  const environment = { id: '1', mode: 'gpu' as const, path: '/x', extraDirs: ['data', "it's"] };
  const [line] = createExperimentLayout()(
    [{ experiment: anExperiment({ environment }), jobs: [] }],
    { home: '/h', idWidth: 8 },
  );
  expect(line).toBe(`docker config 1: job_mode: GPU, build url: /x, extra dirs: ['data', "it's"]`);
});

test('times are local, to the second', ({ expect }) => {
  expect(localTime(new Date(2026, 1, 3, 4, 5, 6, 789))).toBe('2026-02-03 04:05:06');
});

// The vectors name the platforms of the original.
function inOurWords(line: string): string {
  return line.replace('    CAIP ', '  VERTEX ');
}

function recentTree(
  jobs: JobView[],
  experiments: ExperimentSummary[],
  { limit, home }: { limit: number; home: string },
): string[] {
  return recentLines(limit <= 0 ? jobs : jobs.slice(-limit), experiments, { home });
}

function groupTree(
  jobs: JobView[],
  experiments: ExperimentSummary[],
  { group, each, home }: { group: string; each: number; home: string },
): string[] {
  const shown = experiments
    .filter((experiment) => experiment.group.name === group)
    .map((experiment) => ({
      experiment,
      jobs: jobs.filter(({ experimentId }) => experimentId === experiment.id).slice(-each),
    }));
  return [
    groupLine(group),
    ...createExperimentLayout()(shown, { home, idWidth: idWidthOf(shown) }),
  ];
}

const PLATFORMS: Record<string, JobView['platform']> = { CAIP: 'vertex', GKE: 'gke' };

// Builds the records that the vectors' jobs stand for: equal ones share their experiment and config.
function recordsOf(given: readonly VectorJob[]) {
  const experiments = new Map<string, ExperimentSummary>();
  const configs: string[] = [];
  const jobs = given.map((job, index) => {
    const { xgroup, args = [], kwargs = {}, container = {} } = job;
    const config = container.job_mode ?? 'CPU';
    if (!configs.includes(config)) configs.push(config);
    const createdAt = new Date(2020, 4, 28, 11, 33, 35 + index).toISOString();
    const group = { id: xgroup, owner: 'totoro', name: xgroup };
    const key = JSON.stringify([xgroup, config, args, kwargs]);
    const experiment =
      experiments.get(key) ??
      anExperiment({
        id: String(experiments.size + 1),
        group,
        environment: {
          id: String(configs.indexOf(config) + 1),
          mode: config === 'GPU' ? 'gpu' : 'cpu',
          path: '/home/totoro/proj',
          extraDirs: [],
        },
        scriptArgs: args,
        flags: Object.entries(kwargs).map(([name, value]) => [name, String(value)]),
        createdAt,
      });
    experiments.set(key, experiment);
    return aJob({
      id: String(index + 1),
      experimentId: experiment.id,
      group,
      state: job.status,
      platform: PLATFORMS[job.platform ?? ''] ?? 'local',
      container: job.image ?? 'img',
      ref: job.remote ?? (job.platform === undefined ? null : `job_${index}`),
      createdAt,
    });
  });
  return { jobs, experiments: [...experiments.values()] };
}
