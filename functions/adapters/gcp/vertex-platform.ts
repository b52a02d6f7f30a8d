import { type Platform, type PlatformJob, PlatformRefusal } from '../../ports/platform.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { JobLogs } from './cloud-logging.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';
import { wordsOf } from './google-errors.ts';
import { createVertexCalls } from './vertex-calls.ts';
import { createVertexClients } from './vertex-clients.ts';
import { type VertexJobSettings, vertexJob } from './vertex-job.ts';
import { createJobTimes } from './vertex-job-times.ts';
import { parseVertexLane, parseVertexRef, type VertexPlace } from './vertex-lane.ts';
import { createVertexList } from './vertex-list.ts';
import { notSignedIn } from './vertex-refusals.ts';

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
  close(): Promise<void>;
}

/** A create takes a few seconds as a rule; what is out longer than this is out for good. */
const CREATE_DEADLINE_MS = 30_000;
/** How soon a list shows a new job is documented nowhere; seen is under a second (community reports, read 2026-11). */
const LIST_LAG_MS = 60_000;

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
  const calls = createVertexCalls(clients);
  const times = createJobTimes(calls, clock);
  const reading = { instanceLabel, timeoutMs };
  const list = createVertexList({ calls, clock, reading, listLagMs, seen: times.remember });

  async function submit(job: PlatformJob): Promise<{ ref: string }> {
    const at = placeOf(settings, job.lane);
    refuseLate(job, clock.now());
    const { customJob, dropped } = vertexJob(settings, job);
    if (dropped.length > 0) {
      const { jobId, attempt } = job;
      settings.log.warn({ jobId, attempt, dropped }, 'labels find no room on Vertex AI');
    }
    await signedIn(() => clients.of(at.region));
    const left = refuseLate(job, clock.now());
    return { ref: await calls.create(at, customJob, Math.min(createDeadlineMs, left)) };
  }

  return {
    kind: 'vertex',
    createDeadlineMs,
    listLagMs,
    submit,
    find: (jobId) => list.find(lanesOf(settings), jobId),
    list: list.list,
    async cancel(ref) {
      const at = parseVertexRef(ref);
      if (at !== null) await calls.cancel(at, ref);
    },
    async readLog(ref, cursor, maxBytes) {
      const at = parseVertexRef(ref);
      if (at === null) return { text: '', next: cursor, ended: true };
      const source = { project: at.project, jobId: at.id, times: () => times.of(at, ref) };
      return settings.logs.read(source, cursor, maxBytes);
    },
    close: () => clients.close(),
  };
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
    throw notSignedIn(wordsOf(error));
  }
}
