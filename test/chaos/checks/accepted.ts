import { type Accepted, jobIdOf } from '../ledger.ts';
import { flagsOf } from '../plan.ts';
import type { Stage } from '../stage.ts';
import { type Check, check, found } from './check.ts';
import type { Evidence } from './evidence.ts';

/** What was answered 202 is there, once, with all its jobs; a repeated request got the same answer. */
export function checkAccepted({ ledger }: Pick<Stage, 'ledger'>, evidence: Evidence): Check[] {
  const { submissions, jobs } = evidence;
  const accepted = ledger.all;
  const known = new Set(accepted.map(({ id }) => id));
  const strangers = submissions.filter(({ id }) => !known.has(id));
  const states = new Map(jobs.map((job) => [job.id, job.state]));
  const live = jobs.filter(({ state }) => !['SUCCEEDED', 'FAILED', 'STOPPED'].includes(state));
  return [
    check('what was answered 202 is there, once', `${accepted.length} submissions`, [
      ...accepted.flatMap((each) => isThere(each, evidence)),
      ...strangers.map(({ name }) => `${name} is there and was never answered`),
    ]),
    check(
      'the same key gets the same submission',
      `${ledger.repeats} repeated requests`,
      ledger.broken,
    ),
    check(
      'every job of it is there, as its config says',
      `${jobs.length} jobs`,
      accepted.flatMap((each) => jobsAreThere(each, evidence)),
    ),
    check(
      'every job has ended',
      `${states.size} jobs`,
      live.map(({ id, state }) => `${id} is ${state}`),
    ),
  ];
}

function isThere({ sweep, id }: Accepted, { submissions }: Evidence): readonly string[] {
  const rows = submissions.filter(({ name }) => name === sweep.name);
  const [row] = rows;
  return found(
    rows.length === 1 ? undefined : `${sweep.name} is there ${rows.length} times`,
    row === undefined || row.id === id ? undefined : `${sweep.name} is ${row.id}, not ${id}`,
    row?.expanded === false ? `${sweep.name} is not expanded` : undefined,
  );
}

function jobsAreThere(accepted: Accepted, { jobs }: Evidence): readonly string[] {
  const { sweep, id } = accepted;
  const rows = new Map(
    jobs.filter(({ submissionId }) => submissionId === id).map((job) => [job.id, job]),
  );
  const wrong = sweep.points.flatMap((point, index) => {
    const job = rows.get(jobIdOf(accepted, index));
    // A stop may come before a job is written down.
    if (job === undefined) return sweep.fate === 'is stopped' ? [] : [`${id} lacks job ${index}`];
    const asked = flagsOf(point).join(' ');
    return job.flags.join(' ') === asked ? [] : [`${job.id} has flags ${job.flags.join(' ')}`];
  });
  const extra = rows.size > sweep.points.length ? [`${id} has ${rows.size} jobs`] : [];
  return [...wrong, ...extra];
}
