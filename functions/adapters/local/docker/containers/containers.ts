import { Readable } from 'node:stream';
import type { ContainerCreateOptions } from 'dockerode';
import * as z from 'zod';
import type { Engine } from '../engine/engine.ts';
import { askEngine, unless } from '../engine/engine-call.ts';
import type { Change } from './changed-paths.ts';
import { readChanges } from './container-changes.ts';

/** What the engine tells of one container. Times in UTC ms by the engine's clock; null: never. */
export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  readonly status: string;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Why it could not be started, in the engine's words; '' otherwise. */
  readonly error: string;
}

/** One line of a list of containers. */
export type ListedContainer = Pick<ContainerFacts, 'id' | 'labels' | 'status'>;

/** The containers of an engine. Every call throws EngineRefusal, EngineSilent. */
export interface Containers {
  /** All with this label (`key=value`), in one call, whatever their state. */
  list(label: string): Promise<readonly ListedContainer[]>;
  /** By id or name; null: there is none. */
  inspect(idOrName: string): Promise<ContainerFacts | null>;
  /** Creates a container and tells its id; null: the name is taken. Starts nothing. */
  create(name: string, options: ContainerCreateOptions): Promise<string | null>;
  /** The output from now on, as it is printed, in frames (log-frames.ts); ends with the container. */
  attach(id: string): Promise<Readable>;
  /** Starts a container; nothing when it runs. One that has ended would run again. */
  start(name: string): Promise<void>;
  /** Gives it another name; nothing when it is gone, or has that name. */
  rename(id: string, name: string): Promise<void>;
  /**
   * Whether the engine has been running since it made this container, as far as it tells: it keeps its latest events (256 in Docker
   * 20.10) as long as it runs. False may mean that too much has happened since.
   */
  remembersMaking(container: ContainerFacts): Promise<boolean>;
  /** Signals a running container; nothing when it does not run. */
  kill(id: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Removes a container and its anonymous volumes. False: it runs and `force` was not given, or somebody else removes it. */
  remove(id: string, force: boolean): Promise<boolean>;
  /** The output from the beginning as the engine kept it, with time stamps, in frames; follows a running container to its end. */
  replay(id: string): Promise<Readable>;
  /** What differs from the image in its files. Costs little when that is little. */
  changes(id: string): Promise<readonly Change[]>;
  /** What is at an absolute path of it, as a tar (archive-entries.ts). */
  archive(id: string, path: string): Promise<Readable>;
  /** Whether the image has an entry point of its own; null: there is no such image. */
  hasEntrypoint(image: string): Promise<boolean | null>;
}

const READ_MS = 20_000;
const CHANGE_MS = 60_000;
/** Between the time that a container has for its making and the event (s). */
const EVENT_LAG_S = 5;
/** So long (ms) a change may still take when the service closes; then it is as if the service had been killed. */
const LAST_CHANGE_MS = 5000;

/**
 * The containers of the engine that `connect` reaches. Reads and streams end with `closing`; a change is waited for a little longer, so
 * that its outcome is known.
 */
export function createContainers(connect: () => Promise<Engine>, closing: AbortSignal): Containers {
  const gone = laterThan(closing, LAST_CHANGE_MS);
  const read: Ask = (call) =>
    askEngine({ ms: READ_MS, signal: closing }, async (signal) => call(await connect(), signal));
  const change: Ask = (call) =>
    askEngine({ ms: CHANGE_MS, signal: gone }, async (signal) => call(await connect(), signal));
  const stream = (call: StreamCall) =>
    openStream(async (signal) => call(await connect(), signal), closing);

  return {
    list: async (label) => {
      const filters = { label: [label] };
      const found = await read((engine, abortSignal) =>
        engine.listContainers({ all: true, filters, abortSignal }),
      );
      return listSchema.parse(found);
    },
    inspect: (idOrName) =>
      unless([404], async () => {
        const found = await read((engine, abortSignal) =>
          engine.getContainer(idOrName).inspect({ abortSignal }),
        );
        return factsSchema.parse(found);
      }),
    create: (name, options) =>
      unless([409], async () => {
        // Given apart: dockerode would write all of it into the address too.
        const request = { _query: { name }, _body: options };
        const made = await change((engine, abortSignal) =>
          engine.createContainer({ ...request, abortSignal }),
        );
        return made.id;
      }),
    attach: (id) =>
      stream((engine, abortSignal) =>
        engine.getContainer(id).attach({ stream: true, stdout: true, stderr: true, abortSignal }),
      ),
    rename: (id, name) => rename(change, id, name),
    remembersMaking: (container) => remembersMaking(stream, closing, container),
    start: async (name) => {
      const start = change((engine, abortSignal) =>
        engine.getContainer(name).start({ abortSignal }),
      );
      await unless([304], () => start);
    },
    kill: async (id, signal) => {
      const kill = change((engine, abortSignal) => {
        const options = { signal, abortSignal };
        return engine.getContainer(id).kill(options);
      });
      await unless([404, 409], () => kill);
    },
    remove: async (id, force) => {
      const remove = async () => {
        await change((engine) => engine.getContainer(id).remove({ v: true, force }));
        return true;
      };
      return (await unless([409], () => unless([404], remove).then(() => true))) ?? false;
    },
    replay: (id) =>
      stream((engine, abortSignal) => {
        const options = { stdout: true, stderr: true, timestamps: true, abortSignal };
        return engine.getContainer(id).logs({ ...options, follow: true });
      }),
    changes: (id) => readChanges(connect, id, closing),
    archive: (id, path) =>
      stream((engine, abortSignal) => engine.getContainer(id).getArchive({ path, abortSignal })),
    hasEntrypoint: (image) =>
      unless([404], async () => {
        const found = await read((engine) => engine.getImage(image).inspect());
        return (imageSchema.parse(found).Config?.Entrypoint ?? []).length > 0;
      }),
  };
}

async function rename(change: Ask, id: string, name: string): Promise<void> {
  const renaming = change((engine, abortSignal) => {
    const options = { name, abortSignal };
    return engine.getContainer(id).rename(options);
  });
  await unless([404], () => renaming);
}

async function remembersMaking(
  stream: (call: StreamCall) => Promise<Readable>,
  closing: AbortSignal,
  { id, createdAt }: ContainerFacts,
): Promise<boolean> {
  const second = Math.floor(createdAt / 1000);
  const filters = JSON.stringify({ type: ['container'], event: ['create'], container: [id] });
  const events = await stream((engine) =>
    engine.getEvents({ since: second - 1, until: second + EVENT_LAG_S, filters }),
  );
  try {
    return await askEngine({ ms: READ_MS, signal: closing }, () => hasContent(events));
  } finally {
    events.destroy();
  }
}

function laterThan(signal: AbortSignal, ms: number): AbortSignal {
  const later = new AbortController();
  const wait = () => setTimeout(() => later.abort(), ms).unref();
  signal.addEventListener('abort', wait, { once: true });
  return later.signal;
}

type Ask = <T>(call: (engine: Engine, signal: AbortSignal) => Promise<T>) => Promise<T>;
type StreamCall = (engine: Engine, signal: AbortSignal) => Promise<NodeJS.ReadableStream>;

// The deadline is for the answer's beginning; the stream may last as long as its container.
async function openStream(
  call: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
  closing: AbortSignal,
): Promise<Readable> {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([giveUp.signal, closing]);
  try {
    const stream = await askEngine({ ms: READ_MS, signal: closing }, () => call(signal));
    if (stream instanceof Readable) return stream;
    throw new TypeError('The engine gave no stream.');
  } catch (error) {
    giveUp.abort();
    throw error;
  }
}

async function hasContent(stream: Readable): Promise<boolean> {
  for await (const piece of stream) if (String(piece).trim() !== '') return true;
  return false;
}

const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((found) => found ?? {});

const listSchema = z.array(
  z
    .object({ Id: z.string(), Labels: labels, State: z.string() })
    .transform(({ Id, Labels, State }) => ({ id: Id, labels: Labels, status: State })),
);

// The engine writes the year 1 for "never".
const instant = z.string().transform((text) => {
  const ms = Date.parse(text);
  return ms > 0 ? ms : null;
});

const factsSchema = z
  .object({
    Id: z.string(),
    Name: z.string(),
    Created: z.string().transform((moment) => Date.parse(moment)),
    Config: z.object({ Labels: labels }),
    State: z.object({
      Status: z.string(),
      StartedAt: instant,
      FinishedAt: instant,
      ExitCode: z.number(),
      OOMKilled: z.boolean(),
      Error: z.string(),
    }),
  })
  .transform(
    ({ Id, Name, Created, Config, State }): ContainerFacts => ({
      id: Id,
      name: Name.replace(/^\//, ''),
      createdAt: Created,
      labels: Config.Labels,
      status: State.Status,
      startedAt: State.StartedAt,
      finishedAt: State.FinishedAt,
      exitCode: State.ExitCode,
      outOfMemory: State.OOMKilled,
      error: State.Error,
    }),
  );

const imageSchema = z.object({
  Config: z.object({ Entrypoint: z.union([z.string(), z.array(z.string())]).nullish() }).nullish(),
});
