import type { CountsView } from '../../shared/api/groups.ts';
import type { ExperimentSummary, JobView } from '../../shared/api/jobs.ts';
import { localTime } from '../lib/local-time.ts';
import { printable } from '../lib/output.ts';

/** An experiment and the jobs to show of it. */
export interface ShownExperiment {
  readonly experiment: ExperimentSummary;
  readonly jobs: readonly JobView[];
}

/** What the lines depend on beside the records. */
export interface LayoutOptions {
  /** Shown as `~` in paths. */
  readonly home: string;
  /** Characters of a line that tells a cause; without it the cause is told whole. */
  readonly width?: number | undefined;
  /** Width of the id column. */
  readonly idWidth: number;
  /** Under an experiment without any. */
  readonly noJobs?: string;
}

const MIN_ID_WIDTH = 8;
/** Causes of a wait for more than one's turn. */
const WAITS: ReadonlySet<JobView['cause']['code']> = new Set([
  'waiting-for-image',
  'waiting-for-quota',
  'claim-taken-over',
]);

/** Width of the id column for these jobs, never below what was used before. */
export function idWidthOf(experiments: readonly ShownExperiment[], before = MIN_ID_WIDTH): number {
  return Math.max(before, ...experiments.flatMap(({ jobs }) => jobs.map(({ id }) => id.length)));
}

/**
 * Writes experiments in the original's tree, part by part: a docker config line stands above the first experiment and
 * wherever it changes. Why a job failed is told below it; what jobs wait for, under the first that waits for it.
 */
export function createExperimentLayout(): (
  experiments: readonly ShownExperiment[],
  options: LayoutOptions,
) => string[] {
  let environment: string | undefined;
  let told: string | undefined;
  const causeLines = ({ state, cause }: JobView, options: LayoutOptions): string[] => {
    if (state === 'FAILED') return [causeLine('failed', cause.message, options)];
    if (!WAITS.has(cause.code) || cause.message === told) return [];
    told = cause.message;
    return [causeLine('waits', cause.message, options)];
  };
  return (experiments, options) =>
    experiments.flatMap(({ experiment, jobs }) => {
      const head =
        experiment.environment.id === environment ? [] : [configLine(experiment, options)];
      environment = experiment.environment.id;
      const lines = jobs.flatMap((job) => [jobLine(job, options), ...causeLines(job, options)]);
      const none = jobs.length === 0 && options.noJobs !== undefined ? [options.noJobs] : [];
      return [...head, experimentLine(experiment), ...lines, ...none];
    });
}

/** The tree of recent jobs: groups, then experiments, both oldest first; a blank line behind each group. */
export function recentLines(
  jobs: readonly JobView[],
  summaries: readonly ExperimentSummary[],
  place: Pick<LayoutOptions, 'home' | 'width'>,
): string[] {
  const byId = new Map(summaries.map((summary) => [summary.id, summary]));
  const groups = new Map<string, Map<string, JobView[]>>();
  for (const job of jobs.toSorted(byAge)) {
    const experiments = groups.get(job.group.id) ?? new Map<string, JobView[]>();
    groups.set(job.group.id, experiments);
    experiments.set(job.experimentId, [...(experiments.get(job.experimentId) ?? []), job]);
  }
  return [...groups.values()].flatMap((experiments) => {
    const shown = [...experiments].flatMap(([id, ofExperiment]) => {
      const experiment = byId.get(id);
      return experiment === undefined ? [] : [{ experiment, jobs: ofExperiment }];
    });
    const name = shown[0]?.experiment.group.name ?? '';
    const idWidth = idWidthOf(shown);
    return [
      groupLine(name),
      ...createExperimentLayout()(inOrder(shown), { ...place, idWidth }),
      '',
    ];
  });
}

/** The line above a group. */
export function groupLine(name: string): string {
  return `xgroup ${printable(name)}:`;
}

/** Jobs by state in one line. */
export function countsLine(counts: CountsView): string {
  const states = ['SUBMITTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED', 'UNKNOWN'] as const;
  const parts = states
    .filter((state) => counts[state] > 0)
    .map((state) => `${counts[state]} ${state.toLowerCase()}`);
  const jobs = counts.total === 1 ? '1 job' : `${counts.total} jobs`;
  return parts.length === 0 ? jobs : `${jobs}: ${parts.join(', ')}`;
}

// Docker configs in order of their first experiment, experiments in order of creation below each.
function inOrder(shown: readonly ShownExperiment[]): ShownExperiment[] {
  const sorted = shown.toSorted((a, b) =>
    compareText(a.experiment.createdAt, b.experiment.createdAt),
  );
  const byConfig = Map.groupBy(sorted, ({ experiment }) => experiment.environment.id);
  return [...byConfig.values()].flat();
}

function byAge(a: JobView, b: JobView): number {
  return compareText(a.createdAt, b.createdAt) || a.index - b.index;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function configLine({ environment }: ExperimentSummary, { home }: LayoutOptions): string {
  const { id, mode, path, extraDirs } = environment;
  const dirs = extraDirs.length === 0 ? 'None' : `[${extraDirs.map(pythonText).join(', ')}]`;
  const inHome = path === home || path.startsWith(`${home}/`);
  const build = printable(inHome ? `~${path.slice(home.length)}` : path);
  return `docker config ${shortId(id)}: job_mode: ${mode.toUpperCase()}, build url: ${build}, extra dirs: ${printable(dirs)}`;
}

function experimentLine({ id, scriptPath, scriptArgs, flags }: ExperimentSummary): string {
  const words = flags.map(([name, value]) => `--${name} ${value}`);
  return `  experiment id ${shortId(id)}: ${printable([scriptPath, scriptArgs.join(' '), words.join(' ')].join(' '))}`;
}

function jobLine(job: JobView, { idWidth }: LayoutOptions): string {
  const columns = [
    job.id.padEnd(idWidth),
    job.state.padEnd(9),
    job.platform.toUpperCase().padStart(8),
    localTime(new Date(job.createdAt)),
  ];
  const name = job.ref === null ? '' : `name: ${printable(job.ref)}`;
  return `    job ${columns.join(' ')} container: ${printable(shortImage(job.container ?? '-'))} ${name}`;
}

function causeLine(what: string, message: string, { width }: LayoutOptions): string {
  const line = `      ${what}: ${printable(message.trim().replace(/\s+/g, ' '))}`;
  return width === undefined || line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

// An image without a name of its own, as `docker images` shows it.
function shortImage(container: string): string {
  return /^sha256:[0-9a-f]{64}$/.test(container) ? container.slice(0, 19) : container;
}

// Whole ids are hashes; no command takes one of these.
function shortId(id: string): string {
  return id.slice(0, 12);
}

function pythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll('\\', '\\\\');
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
}
