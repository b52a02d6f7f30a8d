import { Readable } from 'node:stream';
import * as z from 'zod';
import {
  type ImageFacts,
  imageSettingsSchema,
  imageTextSchema,
  NO_TIME,
} from '../../../images/image-facts.ts';
import type { Engine } from '../engine/engine.ts';
import { ANSWER_MS, askForUser, EngineRefusal, unless } from '../engine/engine-call.ts';

/** The images of an engine. Every call throws EngineRefusal, and AppError UNAVAILABLE when the engine does not answer. */
export interface Images {
  /** By id or reference; null: there is none here. */
  inspect(reference: string): Promise<ImageFacts | null>;
  tag(id: string, name: { readonly repo: string; readonly tag: string }): Promise<void>;
  /** Loads an archive as of `docker save`. What its stream throws is thrown on. */
  load(archive: AsyncIterable<Uint8Array>): Promise<void>;
  /** Fetches an image from its registry, without a login. */
  pull(name: { readonly repository: string; readonly version: string }): Promise<void>;
  /** Whether it keeps images in containerd's store, which takes no image in parts and has ids of its own. */
  isContainerdStore(): Promise<boolean>;
}

const LOAD_MS = 30 * 60_000;
const PULL_MS = 60 * 60_000;

/** The images of the engine that `connect` reaches. All ends with `closing`. */
export function createImages(connect: () => Promise<Engine>, closing: AbortSignal): Images {
  const ask = <T>(ms: number, call: (engine: Engine, signal: AbortSignal) => Promise<T>) =>
    askForUser({ ms, signal: closing }, async (signal) => call(await connect(), signal));

  return {
    inspect: (reference) =>
      unless([404], async () => {
        const found = await ask(ANSWER_MS, (engine) => engine.getImage(reference).inspect());
        return factsSchema.parse(found);
      }),
    tag: async (id, name) => {
      await ask(ANSWER_MS, (engine, abortSignal) =>
        engine.getImage(id).tag({ ...name, abortSignal }),
      );
    },
    load: (archive) =>
      ask(LOAD_MS, async (engine, abortSignal) => {
        const source = Readable.from(archive, { objectMode: false });
        try {
          await readProgress(await engine.loadImage(source, { quiet: true, abortSignal }));
        } finally {
          source.destroy();
        }
      }),
    pull: ({ repository, version }) =>
      ask(PULL_MS, async (engine, abortSignal) => {
        const wanted = { fromImage: repository, tag: version, abortSignal };
        await readProgress(await engine.createImage(wanted));
      }),
    isContainerdStore: async () => {
      const found = await ask(ANSWER_MS, (engine) => engine.info());
      const status = infoSchema.parse(found).DriverStatus ?? [];
      return status.some(([, value]) => value?.startsWith('io.containerd.snapshotter') === true);
    },
  };
}

/** Reads an answer that is a line of JSON for each thing that happened, to its end. Throws EngineRefusal when one is an error. */
async function readProgress(stream: NodeJS.ReadableStream): Promise<void> {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) throwReported(line);
  }
  throwReported(rest);
}

function throwReported(line: string): void {
  if (line.trim() === '') return;
  const { error } = progressSchema.parse(JSON.parse(line));
  if (error !== undefined) throw new EngineRefusal(500, error.trim(), undefined);
}

const progressSchema = z.object({ error: z.string().optional() });
const infoSchema = z.object({ DriverStatus: z.array(z.array(z.string())).nullish() });
const factsSchema = z
  .object({
    Id: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Created: imageTextSchema,
    Os: z.string(),
    Architecture: z.string(),
    Variant: imageTextSchema,
    RootFS: z.object({ Type: z.string(), Layers: z.array(z.string()).nullish() }),
    Config: imageSettingsSchema.nullish(),
  })
  .transform(
    (found): ImageFacts => ({
      id: found.Id,
      tags: found.RepoTags ?? [],
      created: found.Created === '' ? NO_TIME : found.Created,
      os: found.Os,
      architecture: found.Architecture,
      variant: found.Variant === '' ? null : found.Variant,
      layers: found.RootFS.Type === 'layers' ? (found.RootFS.Layers ?? []) : null,
      settings: found.Config ?? imageSettingsSchema.parse({}),
    }),
  );
