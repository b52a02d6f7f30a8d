import { isDeepStrictEqual } from 'node:util';
import type { ExperimentConfig } from '../../../shared/experiments/config-model.ts';
import type { ExperimentDoc, JobDoc, SubmissionDoc } from '../../ports/documents.ts';
import type { Stored } from '../../ports/store.ts';
import { experimentOf, jobOf, pointsOf } from '../chunk-documents.ts';
import { type Difference, LOST, versionOf } from './difference.ts';
import type { ReadDocuments } from './documents-from.ts';

/** An experiment of a chunk and its job, as the submission and its config make them. */
export interface ExpectedPair {
  readonly job: JobDoc;
  readonly experiment: ExperimentDoc;
}

/** Expands a chunk again. */
export function expectedPairs(
  submission: SubmissionDoc,
  config: ExperimentConfig,
  chunk: number,
): ExpectedPair[] {
  return pointsOf(submission, config, chunk).map((point) => ({
    job: jobOf(submission.acceptedAt, submission, point),
    experiment: experimentOf(submission, point),
  }));
}

/** Differences of one chunk that are told one by one. */
const TOLD = 5;

/** Jobs and experiments of a chunk that are not what the config says; those that are missing are told elsewhere. */
export function chunkContentFaults(
  submission: Stored<'submissions'>,
  expected: readonly ExpectedPair[],
  there: ReadDocuments,
): Difference[] {
  const faults = expected.flatMap(({ job, experiment }) => [
    ...jobFault(there.get('jobs', job.id), job),
    ...experimentFault(there.get('experiments', experiment.id), experiment),
  ]);
  const distinct = [...new Map(faults.map((fault) => [fault.subject, fault])).values()];
  const more = distinct.length - TOLD;
  const told = distinct.slice(0, TOLD).map((fault) => ({
    ...fault,
    found: more > 0 ? `${fault.found} (and ${more} more of its chunk differ)` : fault.found,
    basis: [...fault.basis, versionOf(submission)],
  }));
  return told;
}

function jobFault(stored: Stored<'jobs'> | undefined, expected: JobDoc): Difference[] {
  if (stored === undefined) return [];
  const { id, submissionId } = expected;
  const fault = faultIn(stored, lastingOf(stored.value), lastingOf(expected));
  const of = { kind: 'job', subject: `job ${id}`, ids: { jobId: id, submissionId } } as const;
  return fault.map((told) => ({ ...of, ...told }));
}

function lastingOf(job: JobDoc) {
  const { experimentId, owner, platform, lane, flags, order } = job;
  return { experimentId, owner, platform, lane, flags, facets: job.facets.toSorted(), order };
}

function experimentFault(
  stored: Stored<'experiments'> | undefined,
  expected: ExperimentDoc,
): Difference[] {
  if (stored === undefined) return [];
  const { id: experimentId, groupId } = expected;
  // A later submission may say the same in another order, under other labels, from another folder.
  const partsOf = stored.value.order === expected.order ? allOf : identityOf;
  const fault = faultIn(stored, partsOf(stored.value), partsOf(expected));
  const subject = `experiment ${experimentId}`;
  const of = { kind: 'experiment', subject, ids: { experimentId, groupId } } as const;
  return fault.map((told) => ({ ...of, ...told }));
}

// Facets are in the order of the labels' keys, which not every store keeps.
function allOf({ id: _, order: __, schemaVersion: ___, facets, ...parts }: ExperimentDoc) {
  return { ...parts, facets: facets.toSorted() };
}

function identityOf({ groupId, owner, module, scriptArgs, environment, flags }: ExperimentDoc) {
  const { id: environmentId, mode } = environment;
  const sorted = flags.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { groupId, owner, module, scriptArgs, environmentId, mode, flags: sorted };
}

type Told = Pick<Difference, 'found' | 'expected' | 'fix' | 'basis'>;

function faultIn<T extends object>(
  stored: Stored<'jobs' | 'experiments'>,
  found: T,
  expected: T,
): Told[] {
  const wanted = new Map<string, unknown>(Object.entries(expected));
  const wrong = Object.entries(found).filter(
    ([name, value]) => !isDeepStrictEqual(value, wanted.get(name)),
  );
  if (wrong.length === 0) return [];
  const right = wrong.map(([name]): [string, unknown] => [name, wanted.get(name)]);
  return [
    {
      found: textOf(wrong),
      expected: `${textOf(right)}, as its submission and the config say`,
      fix: LOST,
      basis: [versionOf(stored)],
    },
  ];
}

const LONGEST = 200;

function textOf(parts: readonly [string, unknown][]): string {
  const text = parts.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ');
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
