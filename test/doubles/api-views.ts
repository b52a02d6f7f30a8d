import type { CountsView, GroupView } from '../../shared/api/groups.ts';
import type { ExperimentSummary, JobView } from '../../shared/api/jobs.ts';
import type { ServiceView } from '../../shared/api/service.ts';
import type { PlanView, SubmissionView } from '../../shared/api/submissions.ts';

const AT = '2026-11-22T09:05:00.000Z';
const GROUP = { id: 'g1', owner: 'totoro', name: 'sweep' };

/** Counts; what is not given is zero, `total` is the sum. */
export function someCounts(given: Partial<CountsView> = {}): CountsView {
  const states = { SUBMITTED: 0, RUNNING: 0, SUCCEEDED: 0, FAILED: 0, STOPPED: 0, UNKNOWN: 0 };
  const counts = { ...states, at: AT, ...given };
  const { SUBMITTED, RUNNING, SUCCEEDED, FAILED, STOPPED, UNKNOWN } = counts;
  return { total: SUBMITTED + RUNNING + SUCCEEDED + FAILED + STOPPED + UNKNOWN, ...counts };
}

/** A group. */
export function aGroup(given: Partial<GroupView> = {}): GroupView {
  return { ...GROUP, createdAt: AT, counts: someCounts(), ...given };
}

/** A submission of one job that waits. */
export function aSubmission(given: Partial<SubmissionView> = {}): SubmissionView {
  return {
    id: 's1',
    group: GROUP,
    name: null,
    platform: 'process',
    lane: 'process',
    jobs: 1,
    expanded: true,
    image: { state: 'ready', reference: null, message: null },
    counts: someCounts({ SUBMITTED: 1 }),
    ending: 'none',
    done: false,
    acceptedAt: AT,
    ...given,
  };
}

/** A job that runs. */
export function aJob(given: Partial<JobView> = {}): JobView {
  return {
    id: 's1-1',
    submissionId: 's1',
    experimentId: 'e1',
    group: GROUP,
    index: 0,
    state: 'RUNNING',
    stage: 'RUNNING',
    cause: { code: 'started', message: 'It runs.' },
    platform: 'process',
    lane: 'process',
    attempt: 1,
    flags: [],
    exitCode: null,
    container: null,
    ref: null,
    stopRequested: false,
    createdAt: AT,
    startedAt: null,
    finishedAt: null,
    ...given,
  };
}

/** An experiment of the group. */
export function anExperiment(given: Partial<ExperimentSummary> = {}): ExperimentSummary {
  return {
    id: 'e1',
    group: GROUP,
    environment: { id: '1', mode: 'cpu', path: '/home/totoro/proj', extraDirs: [] },
    module: 'cpu.py',
    scriptPath: 'cpu.py',
    scriptArgs: [],
    flags: [],
    createdAt: AT,
    ...given,
  };
}

/** A plan of four jobs. */
export function aPlan(given: Partial<PlanView> = {}): PlanView {
  return {
    jobs: 4,
    group: { name: 'sweep', exists: false },
    platform: 'process',
    lane: 'process',
    image: { action: 'build', message: 'A new environment is made.' },
    missingLayers: [],
    samples: [{ index: 0, command: 'python cpu.py --lr 0.1', labels: {} }],
    ...given,
  };
}

/** A one-machine service that runs plain processes. */
export function aService(given: Partial<ServiceView> = {}): ServiceView {
  return {
    name: 'caliban',
    version: '0.1.0',
    instance: 'instance-1',
    host: 'one-machine',
    defaultPlatform: 'process',
    platforms: ['process'],
    lanes: [],
    limits: {},
    signIn: ['token'],
    principal: { id: 'totoro', role: 'admin' },
    ...given,
  };
}
