import { isDeepStrictEqual } from 'node:util';
import { countsOf } from '../../functions/core/counts.ts';
import { requestEnding, stopEnding, stopJob } from '../../functions/core/ending.ts';
import type { SubmissionDoc } from '../../functions/ports/documents.ts';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { JOB_STATES } from '../../shared/jobs/job-state.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { stormOf } from './faults.ts';
import { Invariants } from './invariants.ts';
import { checkRecords, scheduleChecks } from './live-check.ts';
import { ASSUMED_LIST_LAG_MS } from './sim-builds.ts';
import { type SimJob, SimPlatform } from './sim-platform.ts';
import { SimService } from './sim-service.ts';
import { World } from './world.ts';

const STORM_MS = 8 * 60_000;
const FAIR_MS = 6 * 3_600_000;
/** Several pauses of one start of a build, one after the other. */
const LONGEST_PAUSES_MS = 15 * 60_000;

/** The time limit that the simulated service sets. */
const LONGEST_BUILD_MS = 15 * 60_000;
/** A worker of the storm has died or caught up by then. */
const DYING_MS = 5 * 60_000;
/** From a list that shows a job to its cancel. */
const CANCEL_MS = 20_000;
const FILES_LAYER = 'd'.repeat(64);
/** Longer than the latest list and the syncs after it. */
const LATE_MS = 10 * 60_000;

/** What a client asked for, and every reply it got. */
interface Asked {
  readonly principal: string;
  readonly key: string;
  readonly spec: SubmissionSpec;
  /** The flags of each experiment, by a naive product. */
  readonly expected: readonly string[];
  readonly replies: SubmissionDoc[];
  stopAskedFor: boolean;
}

/** Plays one seed: a storm of faults, then fair weather until everything ended. Returns the first broken promise, or undefined. */
export async function runSeed(seed: number): Promise<string | undefined> {
  const world = new World(seed);
  const maxActive = world.pick([3, 10]);
  // Drainers that overlap serve from virtual times as old as each other's last block: a few places more than one would give.
  const invariants = new Invariants(world, 3 * maxActive + 8);
  // Vertex takes neither request ids nor names of ours, so lists are all there is; GKE takes names.
  const kind = world.chance(0.3) ? 'gke' : 'vertex';
  const ratePerMinute = world.pick([null, 30, 60, 120]);
  const listLagMs = world.pick([0, 5_000, 30_000]);
  const isLate = kind === 'vertex' && world.chance(0.06);
  const toBeNamed = new Map<SimJob, number>();
  const platform: SimPlatform = new SimPlatform(world, {
    kind,
    createDeadlineMs: 15_000,
    listLagMs,
    realLagMs: isLate ? listLagMs + world.pick([30_000, 90_000]) : listLagMs,
    ownNames: kind === 'gke',
    rates: () => service.rates,
    onListed: (job) => {
      if (world.now() > world.startedAt + STORM_MS + DYING_MS && isSecond(invariants, job))
        toBeNamed.set(job, world.now());
    },
  });
  const lane = {
    id: 'lane',
    platform: kind,
    policy: { ratePerMinute, maxActive },
  } as const;
  // A short lease makes drainers overlap.
  const leaseMs = world.pick([70_000, 70_000, 5_000]);
  const service: SimService = new SimService({
    world,
    platform,
    lane,
    observer: invariants,
    buildListLagMs: world.pick([0, 5_000, 60_000, ASSUMED_LIST_LAG_MS]),
    timing: { leaseMs },
  });
  service.rates = stormOf(world);
  const pausesUntil =
    service.rates.pause === 0 ? 0 : world.startedAt + STORM_MS + LONGEST_PAUSES_MS;
  invariants.mayPause = () => world.now() < pausesUntil;
  invariants.mayGiveUp = (key) => service.builds.mayGiveUp(key);
  if (world.chance(0.8)) {
    service.scheduleHosted();
  } else {
    service.schedule();
    service.scheduleSync();
  }
  scheduleChecks(service, invariants);
  const asked = scheduleClients(world, service);
  await world.run(STORM_MS, () => invariants.firstBroken() !== undefined);
  service.calm();
  const ended = await world.run(
    FAIR_MS,
    () =>
      invariants.firstBroken() !== undefined ||
      (asked.every(({ replies }) => replies.length > 0) &&
        invariants.allEnded() &&
        platform.alive().length === 0),
  );
  // Lists show what is late, and what is named then.
  if (isLate) await world.run(LATE_MS, () => invariants.firstBroken() !== undefined);
  const broken = invariants.firstBroken();
  if (broken !== undefined) return broken;
  if (!ended)
    return `I3: not everything ended in ${FAIR_MS / 3_600_000} fair hours: ${unfinished(invariants)}`;
  checkEnd({ service, invariants, asked, ratePerMinute, isLate, toBeNamed });
  await checkCounts(service, invariants);
  await checkRecords(service, invariants, FAIR_MS);
  return invariants.firstBroken();
}

function unfinished(invariants: Invariants): string {
  const jobs = [...invariants.jobs.values()]
    .filter(({ live }) => live)
    .map(({ id, state }) => `${id} ${state}`);
  const submissions = [...invariants.submissions.values()]
    .filter(({ expanded, ending }) => !expanded || ending === 'requested')
    .map(({ id, ending, imageState }) => `${id} ${ending} ${imageState}`);
  return [...jobs, ...submissions].slice(0, 5).join(', ');
}

function scheduleClients(world: World, service: SimService): Asked[] {
  const asked: Asked[] = [];
  const submissions = world.between(1, 4);
  for (let index = 0; index < submissions; index++) {
    const size = world.pick([1, 3, 12, 40, index === 0 ? 90 : 7]);
    const each = askedFor(world, index, size);
    asked.push(each);
    world.after(index === 0 ? 0 : world.between(0, 120_000), () =>
      submitUntilAnswered(world, service, each),
    );
    if (world.chance(0.2))
      world.after(world.between(100, 200_000), () => submitUntilAnswered(world, service, each));
    if (world.chance(0.3))
      world.after(world.between(100, 300_000), () => stopUntilAnswered(world, service, each));
    if (world.chance(0.2))
      world.after(world.between(5_000, 300_000), () => void stopOneJob(world, service));
  }
  return asked;
}

function askedFor(world: World, index: number, size: number): Asked {
  const values = Array.from({ length: size }, (_, at) => at);
  const requirements = world.chance(0.5) ? `requirements-${world.between(0, 1)}` : null;
  return {
    principal: world.pick(['ada', 'bob', 'eve']),
    key: `key-${index}`,
    spec: aSpec({
      config: JSON.stringify({ lr: 1, seed: values }),
      group: `group-${world.between(0, 1)}`,
      dependencies: { ...aSpec().dependencies, layer: FILES_LAYER, requirements },
    }),
    expected: values.map((value) => `--lr 1 --seed ${value}`),
    replies: [],
    stopAskedFor: false,
  };
}

// As the CLI does: the same key until there is an answer.
function submitUntilAnswered(world: World, service: SimService, asked: Asked): void {
  const request = {
    principal: { id: asked.principal, role: 'submitter' } as const,
    idempotencyKey: asked.key,
    spec: asked.spec,
  };
  service.accept(request).then(
    (reply) => asked.replies.push(reply),
    () => world.after(world.between(100, 5_000), () => submitUntilAnswered(world, service, asked)),
  );
}

function stopUntilAnswered(world: World, service: SimService, asked: Asked): void {
  const id = asked.replies[0]?.id;
  if (id === undefined) return;
  asked.stopAskedFor = true;
  service
    .invoke((deps) => requestEnding(deps, id, stopEnding()))
    .catch(() =>
      world.after(world.between(100, 5_000), () => stopUntilAnswered(world, service, asked)),
    );
}

async function stopOneJob(world: World, service: SimService): Promise<void> {
  const page = await service.store.list('recentJobs', {}, { limit: 50 });
  if (page.items.length === 0) return;
  const { id } = world.pick(page.items).value;
  service.invoke((deps) => stopJob(deps, id)).catch(() => undefined);
}

function checkEnd(run: {
  service: SimService;
  invariants: Invariants;
  asked: readonly Asked[];
  ratePerMinute: number | null;
  isLate: boolean;
  toBeNamed: ReadonlyMap<SimJob, number>;
}): void {
  const { service, invariants, asked, ratePerMinute, isLate, toBeNamed } = run;
  for (const each of asked) {
    checkReplies(invariants, each);
    checkExpansion(invariants, each);
  }
  checkPlatform(service, invariants, isLate);
  checkNamed(invariants, toBeNamed);
  checkImages(invariants);
  checkBuilds(service, invariants);
  if (ratePerMinute !== null) checkRate(service, invariants, ratePerMinute);
}

function checkReplies(invariants: Invariants, asked: Asked): void {
  const [first] = asked.replies;
  if (first === undefined || invariants.submissions.get(first.id) === undefined)
    invariants.broken('I1', `submission ${asked.key} was answered and is gone`);
  for (const reply of asked.replies) {
    const same = ['id', 'groupId', 'count', 'lane', 'acceptedAt', 'bodyHash'] as const;
    if (first !== undefined && same.some((field) => reply[field] !== first[field]))
      invariants.broken('I7', `key ${asked.key} got two different replies`);
  }
}

function checkExpansion(invariants: Invariants, asked: Asked): void {
  const id = asked.replies[0]?.id;
  const jobs = [...invariants.jobs.values()]
    .filter(({ submissionId }) => submissionId === id)
    .sort((a, b) => a.index - b.index);
  const flags = jobs.map((job) => job.flags.join(' '));
  if (asked.stopAskedFor) {
    if (jobs.some((job) => job.flags.join(' ') !== asked.expected[job.index]))
      invariants.broken('I9', `a job of ${asked.key} is not the point of its index`);
  } else if (!isDeepStrictEqual(flags, asked.expected)) {
    invariants.broken(
      'I9',
      `${asked.key} expanded to ${flags.length} of ${asked.expected.length} jobs`,
    );
  }
}

function checkPlatform(service: SimService, invariants: Invariants, isLate: boolean): void {
  const starts = startsByAttempt(service);
  for (const [attempt, jobs] of starts) {
    // Beyond the assumed lag nobody can promise it: then each second one is ended and named.
    if (jobs.length > 1 && !isLate)
      invariants.broken('I2', `the code of ${attempt} was started twice`);
    for (const { request } of jobs) {
      const submissionId = invariants.jobs.get(request.jobId)?.submissionId ?? '';
      const run = invariants.submissions.get(submissionId)?.run;
      if (!isDeepStrictEqual(request.run, run)) {
        invariants.broken('I6', `${attempt} runs something else than its submission`);
      }
    }
  }
  checkVerdicts(invariants, starts, isLate);
}

function checkVerdicts(
  invariants: Invariants,
  starts: ReadonlyMap<string, readonly SimJob[]>,
  isLate: boolean,
): void {
  for (const job of invariants.jobs.values()) {
    const started = starts.get(`${job.id}.${job.attempt}`)?.length ?? 0;
    if (job.state === 'SUCCEEDED' && (isLate ? started < 1 : started !== 1)) {
      invariants.broken('only what was observed', `${job.id} SUCCEEDED, started ${started} times`);
    }
  }
}

/** Whether a job of the platform is beside the one that the service holds for its attempt, as of now. */
function isSecond(invariants: Invariants, { ref, request }: SimJob): boolean {
  const job = invariants.jobs.get(request.jobId);
  if (job === undefined || job.state === 'QUEUED' || job.state === 'SUBMITTING') return false;
  return job.ref !== null && job.ref !== ref;
}

// What lists showed in fair weather, when no pass breaks off, stands in the history, and was cancelled when it lived.
function checkNamed(invariants: Invariants, toBeNamed: ReadonlyMap<SimJob, number>): void {
  for (const [{ ref, request, endsAt, cancelledAt }, listedAt] of toBeNamed) {
    const { jobId } = request;
    const history = invariants.jobs.get(jobId)?.history ?? [];
    if (!history.some(({ cause }) => cause.message.includes(` ${ref} of attempt `)))
      invariants.broken('I2', `the second platform job ${ref} of ${jobId} is not named`);
    if (endsAt > listedAt + CANCEL_MS && cancelledAt === null)
      invariants.broken('I2', `the second platform job ${ref} of ${jobId} is not cancelled`);
  }
}

// Whatever was built twice: the same code on the same dependencies is one image.
function checkImages(invariants: Invariants): void {
  const images = new Map<string | null, unknown>();
  for (const { id, run, dependencies } of invariants.submissions.values()) {
    if (run === null) continue;
    const before = images.get(dependencies.requirements) ?? run;
    images.set(dependencies.requirements, run);
    if (run.kind !== 'image' || !isDeepStrictEqual(run, before))
      invariants.broken('I6', `${id} runs another image than others with the same inputs`);
  }
}

// Nobody waits any more: no build lives longer than its time limit.
function checkBuilds({ builds, world }: SimService, invariants: Invariants): void {
  for (const build of builds.live()) {
    if (build.endsAt > world.now() + LONGEST_BUILD_MS)
      invariants.broken('builds end', `${build.id} would run until ${build.endsAt}`);
  }
}

function startsByAttempt({ platform }: SimService): Map<string, SimJob[]> {
  const starts = new Map<string, SimJob[]>();
  for (const job of platform.jobs) {
    if (!platform.ran(job)) continue;
    const attempt = `${job.request.jobId}.${job.request.attempt}`;
    starts.set(attempt, [...(starts.get(attempt) ?? []), job]);
  }
  return starts;
}

// The gate lets through what its rate allows; calls may bunch by as much as a paused drainer delays them.
function checkRate(service: SimService, invariants: Invariants, ratePerMinute: number): void {
  const { creates } = service.platform;
  for (const [at, first] of creates.entries()) {
    const inMinute = creates.slice(at).filter((instant) => instant < first + 60_000).length;
    if (inMinute > ratePerMinute * 1.2 + 6)
      invariants.broken('gate', `${inMinute} creates in a minute, the rate is ${ratePerMinute}`);
  }
}

async function checkCounts(service: SimService, invariants: Invariants): Promise<void> {
  const clock = service.world;
  for (const submission of invariants.submissions.values()) {
    const stored = await countsOf(
      { store: service.store, clock, timing: { ...service.timing, countsMs: 0 } },
      { kind: 'submission', doc: submission },
    );
    const counted = invariants.recount(submission.id);
    if (JOB_STATES.some((state) => stored.byState[state] !== (counted[state] ?? 0)))
      invariants.broken('I8', `counts of ${submission.id} are not a recount`);
  }
  for (const groupId of new Set([...invariants.submissions.values()].map((each) => each.groupId))) {
    const stored = await countsOf(
      { store: service.store, clock, timing: service.timing },
      { kind: 'group', id: groupId },
    );
    const total = Object.values(stored.byState).reduce((sum, count) => sum + count, 0);
    const jobs = [...invariants.jobs.values()].filter((job) => job.groupId === groupId).length;
    if (stored.settled && total !== jobs)
      invariants.broken('I8', `settled counts of group ${groupId} say ${total}, there are ${jobs}`);
  }
}
