import type { protos } from '@google-cloud/aiplatform';
import pLimit from 'p-limit';
import {
  type Observation,
  type Platform,
  type PlatformJob,
  PlatformRefusal,
} from '../../ports/platform.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { JobLogs, JobTimes } from './cloud-logging.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';
import { GRPC, grpcCodeOf, unavailable, wordsOf } from './google-errors.ts';
import { createRecent } from './recent.ts';
import { createVertexClients } from './vertex-clients.ts';
import { type VertexJobSettings, vertexJob } from './vertex-job.ts';
import { isLabelValue, labelFilter } from './vertex-labels.ts';
import {
  parentOf,
  parseVertexLane,
  parseVertexRef,
  type VertexPlace,
  vertexConsoleLink,
} from './vertex-lane.ts';
import {
  decodePlace,
  encodePlace,
  firstPlace,
  floorOf,
  type ListPlace,
  type LiveFloor,
  listFilter,
} from './vertex-list.ts';
import { endOf, instantOf, isEnded, observationOf } from './vertex-observation.ts';
import { refusalOf } from './vertex-refusals.ts';

type CustomJob = protos.google.cloud.aiplatform.v1.ICustomJob;

/** Which Vertex AI a service submits to, and how. */
export interface VertexSettings extends VertexJobSettings {
  readonly projectId: string;
  /** Projects that jobs may be created in, and regions; together they are the lanes that `find` looks through. */
  readonly allowedProjects: readonly string[];
  readonly regions: readonly string[];
  readonly endpoint: GoogleEndpoint;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads the jobs' logs; stays open when the platform is closed. */
  readonly logs: JobLogs;
  /** See `Platform`; defaults 30 s and 60 s. */
  readonly createDeadlineMs?: number;
  readonly listLagMs?: number;
}

/** What Vertex AI can do besides. */
export interface VertexPlatform extends Platform {
  /** Where a job is looked at in Google's console; null for what is no job of Vertex AI. */
  consoleLink(ref: string): string | null;
  close(): Promise<void>;
}

/** A create takes a few seconds as a rule; what is out longer than this is out for good. */
const CREATE_DEADLINE_MS = 30_000;
/** How soon a list shows a new job is documented nowhere; seen is under a second (community reports, read 2026-11). */
const LIST_LAG_MS = 60_000;
const READ_TIMEOUT_MS = 30_000;
const PAGE = 100;
const LOOKUPS_IN_FLIGHT = 8;
/** Pages of one job id's jobs; each attempt has one, and rarely a second. */
const FIND_PAGES = 10;
const FLOORS_KEPT = 16;
/** Between two looks at a live job for the sake of its log. */
const TIMES_MS = 3_000;
const FIELDS = [
  'name',
  'labels',
  'state',
  'create_time',
  'start_time',
  'end_time',
  'update_time',
  'error',
];

/**
 * Jobs as custom jobs of Vertex AI, one Platform for all lanes. It gives jobs names of its own: two creates of one attempt make two jobs,
 * and both are found and listed. Throws PlatformRefusal, and AppError UNAVAILABLE for what did not answer: of a create, with its outcome
 * unknown.
 */
export function createVertexPlatform(settings: VertexSettings): VertexPlatform {
  const { clock, instanceLabel, timeoutMs } = settings;
  const listLagMs = settings.listLagMs ?? LIST_LAG_MS;
  const createDeadlineMs = settings.createDeadlineMs ?? CREATE_DEADLINE_MS;
  const clients = createVertexClients(settings);
  const floors = new Map<string, readonly LiveFloor[]>();
  const times = createRecent<JobTimes & { readonly readAt: number }>(1_000);
  const lookups = pLimit(LOOKUPS_IN_FLIGHT);

  async function submit(job: PlatformJob): Promise<{ ref: string }> {
    const at = placeOf(settings, job.lane);
    refuseLate(job, clock.now());
    const { customJob, dropped } = vertexJob(settings, job);
    if (dropped.length > 0) {
      const { jobId, attempt } = job;
      settings.log.warn({ jobId, attempt, dropped }, 'labels find no room on Vertex AI');
    }
    const client = await signedIn(() => clients.of(at.region));
    const timeout = Math.min(createDeadlineMs, refuseLate(job, clock.now()));
    const request = { parent: parentOf(at), customJob };
    const made = await asked(() => client.createCustomJob(request, once(timeout)));
    if (typeof made[0].name === 'string' && made[0].name !== '') return { ref: made[0].name };
    throw unavailable('Vertex AI', new Error('a job without a name was answered'));
  }

  async function page(at: VertexPlace, filter: string, pageToken: string) {
    try {
      const client = await clients.of(at.region);
      const request = {
        parent: parentOf(at),
        filter,
        pageSize: PAGE,
        pageToken,
        readMask: { paths: FIELDS },
      };
      const options = { ...once(READ_TIMEOUT_MS), autoPaginate: false };
      const [jobs, , reply] = await client.listCustomJobs(request, options);
      return { jobs, next: reply?.nextPageToken ?? '' };
    } catch (error) {
      throw unavailable('Vertex AI', error);
    }
  }

  function observed(jobs: readonly CustomJob[]): Observation[] {
    for (const job of jobs) if (isEnded(job)) remember(job);
    return jobs.flatMap((job) => observationOf({ instanceLabel, timeoutMs }, job) ?? []);
  }

  async function findIn(at: VertexPlace, jobId: string): Promise<Observation[]> {
    const found: Observation[] = [];
    let token = '';
    for (let read = 0; read < FIND_PAGES; read++) {
      const { jobs, next } = await page(at, labelFilter(instanceLabel, jobId), token);
      found.push(...observed(jobs).filter((seen) => seen.jobId === jobId));
      if (next === '') return found;
      token = next;
    }
    throw unavailable(
      'Vertex AI',
      new Error(`more than ${FIND_PAGES * PAGE} jobs are called ${jobId}`),
    );
  }

  async function list(lane: string, since: number, cursor: string | null) {
    const at = parseVertexLane(lane);
    if (at === null) return { items: [], next: null };
    const known = { floors: floors.get(lane) ?? [], timeoutMs };
    const from = cursor === null ? firstPlace(since, clock.now(), known) : decodePlace(cursor);
    const { jobs, next } = await page(at, listFilter(instanceLabel, from), from.token);
    const wanted =
      from.phase === 'live' ? jobs : jobs.filter((job) => (endOf(job) ?? since) >= since);
    const after = nextPlace(lane, { ...from, oldestLive: oldestOf(from, jobs) }, next);
    return { items: observed(wanted), next: after === null ? null : encodePlace(after) };
  }

  function nextPlace(lane: string, read: ListPlace, token: string): ListPlace | null {
    if (token !== '') return { ...read, token };
    if (read.phase === 'ended') return null;
    const floor = floorOf(read, clock.now(), listLagMs);
    floors.set(lane, [floor, ...(floors.get(lane) ?? [])].slice(0, FLOORS_KEPT));
    return { ...read, phase: 'ended', token: '' };
  }

  async function cancel(ref: string): Promise<void> {
    const at = parseVertexRef(ref);
    if (at === null) return;
    try {
      const client = await clients.of(at.region);
      await client.cancelCustomJob({ name: ref }, once(READ_TIMEOUT_MS));
    } catch (error) {
      const code = grpcCodeOf(error);
      if (code !== GRPC.notFound && code !== GRPC.failedPrecondition)
        throw unavailable('Vertex AI', error);
    }
  }

  function remember(job: CustomJob): JobTimes {
    const told = { createdAt: instantOf(job.createTime) ?? 0, endedAt: endOf(job) };
    if (typeof job.name === 'string') times.put(job.name, { ...told, readAt: clock.now() });
    return told;
  }

  async function timesOf(ref: string, region: string): Promise<JobTimes | null> {
    const known = times.get(ref);
    const isFresh = known !== undefined && clock.now() - known.readAt < TIMES_MS;
    if (known !== undefined && (known.endedAt !== null || isFresh)) return known;
    try {
      const client = await clients.of(region);
      const [job] = await client.getCustomJob({ name: ref }, once(READ_TIMEOUT_MS));
      return remember(job);
    } catch (error) {
      if (grpcCodeOf(error) === GRPC.notFound) return null;
      throw unavailable('Vertex AI', error);
    }
  }

  return {
    kind: 'vertex',
    createDeadlineMs,
    listLagMs,
    submit,
    async find(jobId) {
      if (!isLabelValue(jobId)) return [];
      const found = lanesOf(settings).map((at) => lookups(() => findIn(at, jobId)));
      return (await Promise.all(found)).flat();
    },
    list,
    cancel,
    async readLog(ref, cursor, maxBytes) {
      const at = parseVertexRef(ref);
      if (at === null) return { text: '', next: cursor, ended: true };
      const source = { project: at.project, jobId: at.id, times: () => timesOf(ref, at.region) };
      return settings.logs.read(source, cursor, maxBytes);
    },
    consoleLink: vertexConsoleLink,
    close: () => clients.close(),
  };
}

/** One try: the core repeats what it wants repeated, and a create must never be. */
function once(timeout: number) {
  return { timeout, retry: null, maxRetries: 0 };
}

function lanesOf({ allowedProjects, regions }: VertexSettings): VertexPlace[] {
  return allowedProjects.flatMap((project) => regions.map((region) => ({ project, region })));
}

function placeOf({ allowedProjects, regions }: VertexSettings, lane: string): VertexPlace {
  const at = parseVertexLane(lane);
  if (at !== null && allowedProjects.includes(at.project) && regions.includes(at.region)) return at;
  throw new PlatformRefusal('permanent', `This service creates no jobs in the lane ${lane}.`, {
    hint: `It may use the projects ${allowedProjects.join(', ')} in ${regions.join(', ')}.`,
  });
}

/** How much time is left to create the job (ms). */
function refuseLate({ createBy }: PlatformJob, now: number): number {
  if (createBy > now) return createBy - now;
  const message = `The create request is ${now - createBy} ms too late; nothing was made.`;
  throw new PlatformRefusal('quota', message, { retryAfterMs: 0 });
}

// Nothing was sent yet, so that it can be asked again.
async function signedIn<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const message = `The service cannot sign in to Google at the moment: ${wordsOf(error)}`;
    throw new PlatformRefusal('quota', message);
  }
}

async function asked<T>(create: () => Promise<T>): Promise<T> {
  try {
    return await create();
  } catch (error) {
    throw refusalOf(error) ?? unavailable('Vertex AI', error);
  }
}

function oldestOf({ phase, oldestLive }: ListPlace, jobs: readonly CustomJob[]): number {
  if (phase === 'ended') return oldestLive;
  return Math.min(oldestLive, ...jobs.map((job) => instantOf(job.createTime) ?? oldestLive));
}
