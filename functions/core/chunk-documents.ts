import { canonicalExperiment } from '../../shared/experiments/canonical.ts';
import type { ExperimentConfig } from '../../shared/experiments/config-model.ts';
import { type Experiment, experiments } from '../../shared/experiments/expand.ts';
import { flagsOf } from '../../shared/experiments/flags.ts';
import { pythonStr } from '../../shared/experiments/python-repr.ts';
import type { Cause } from '../../shared/jobs/cause.ts';
import { isActive, isTerminal, type JobState } from '../../shared/jobs/job-state.ts';
import {
  type ExperimentDoc,
  type JobDoc,
  SCHEMA_VERSION,
  type SubmissionDoc,
} from '../ports/documents.ts';
import { facetsOf } from './facets.ts';
import { experimentIdOf, jobIdOf, orderOf } from './ids.ts';

/** An experiment of a submission, by its index. */
export interface Point {
  readonly index: number;
  readonly experiment: Experiment;
  readonly experimentId: string;
  readonly facets: readonly string[];
  readonly order: string;
}

/** The experiments of a chunk, computed from nothing but the submission and its config. */
export function pointsOf(
  submission: SubmissionDoc,
  config: ExperimentConfig,
  chunk: number,
): Point[] {
  const first = chunk * submission.chunkSize;
  const end = Math.min(first + submission.chunkSize, submission.count);
  const points: Point[] = [];
  let index = first;
  for (const experiment of experiments(config, first)) {
    if (index >= end) break;
    points.push({
      index,
      experiment,
      experimentId: experimentIdOf({
        groupId: submission.groupId,
        module: submission.module,
        scriptArgs: submission.scriptArgs,
        flags: canonicalExperiment(experiment),
        environment: submission.environment.id,
        mode: submission.mode,
      }),
      facets: facetsOf(submission.labels, experiment),
      order: orderOf(submission.acceptedAt, jobIdOf(submission.id, index, submission.count)),
    });
    index++;
  }
  return points;
}

/** An experiment as it is first written. */
export function experimentOf(submission: SubmissionDoc, point: Point): ExperimentDoc {
  return {
    schemaVersion: SCHEMA_VERSION,
    id: point.experimentId,
    groupId: submission.groupId,
    owner: submission.owner,
    environment: submission.environment,
    module: submission.module,
    scriptPath: submission.scriptPath,
    scriptArgs: submission.scriptArgs,
    flags: point.experiment.map(([name, value]) => [name, pythonStr(value)] as const),
    facets: point.facets,
    order: point.order,
    createdAt: submission.acceptedAt,
  };
}

/** A job as it is first written. */
export function jobOf(now: number, submission: SubmissionDoc, point: Point): JobDoc {
  const accepted: Cause = {
    code: 'accepted',
    message: 'Accepted; waits for its environment and its turn.',
  };
  const failed = submission.endingState === 'FAILED' ? submission.endingCause : null;
  const state: JobState = failed === null ? 'QUEUED' : 'FAILED';
  const cause = failed ?? accepted;
  return {
    schemaVersion: SCHEMA_VERSION,
    id: jobIdOf(submission.id, point.index, submission.count),
    submissionId: submission.id,
    index: point.index,
    experimentId: point.experimentId,
    groupId: submission.groupId,
    owner: submission.owner,
    platform: submission.platform,
    lane: submission.lane,
    state,
    live: !isTerminal(state),
    active: isActive(state),
    flags: flagsOf(point.experiment, 'sorted'),
    facets: point.facets,
    attempt: 1,
    claim: null,
    claimUntil: 0,
    ref: null,
    notBefore: 0,
    stopRequestedAt: null,
    order: point.order,
    createdAt: now,
    startedAt: null,
    finishedAt: failed === null ? null : now,
    exitCode: null,
    missedAt: null,
    cause,
    history: [{ at: now, from: null, to: state, cause }],
  };
}
