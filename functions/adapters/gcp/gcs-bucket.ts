import type { Bucket } from '@google-cloud/storage';
import * as z from 'zod';
import type { GcsClient } from './gcs-client.ts';
import type { Download } from './gcs-download.ts';
import { orUndefined, storageFailure } from './gcs-errors.ts';

/** One generation of an object, without its bytes. */
export interface GcsObject {
  readonly name: string;
  readonly generation: string;
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** UTC milliseconds. */
  readonly createdAt: number;
}

/** What a new generation is made with. */
export interface GcsWrite {
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** The generation that is replaced; `0`: no such object. */
  readonly replaces: string;
}

/**
 * Objects of one bucket. Every write names the generation that it replaces. All throw AppError UNAVAILABLE for what the service
 * does not do, after repetition.
 */
export interface GcsBucket {
  /** Undefined: no such object. */
  stat(name: string): Promise<GcsObject | undefined>;
  /** The bytes of a small object and their generation. */
  read(name: string): Promise<{ readonly bytes: Buffer; readonly generation: string } | undefined>;
  /** Bytes from `offset` on, at most `maxBytes`, and the size of the whole object. */
  readRange(
    name: string,
    range: { readonly offset: number; readonly maxBytes: number },
  ): Promise<{ readonly bytes: Buffer; readonly size: number } | undefined>;
  /** The bytes of a generation as they come; asked for when reading begins. Throws `gone()` when that generation is not there. */
  stream(object: GcsObject, gone: () => Error): AsyncIterable<Uint8Array>;
  /** The new generation, or undefined: another one is there than `replaces`. */
  write(name: string, bytes: Uint8Array, write: GcsWrite): Promise<string | undefined>;
  /** Copies that generation, bytes unseen. False: the source is gone, or another generation is there than `replaces`. */
  copy(from: GcsObject, to: string, write: GcsWrite): Promise<boolean>;
  /** Removes a generation; nothing when it is gone or replaced. */
  remove(name: string, generation: string): Promise<void>;
  /** Opens a resumable session for an object that is not there yet. Its address needs no token. */
  openSession(name: string, write: Omit<GcsWrite, 'replaces'> & { size: number }): Promise<string>;
  /** One page of at most 1,000 objects. */
  list(
    prefix: string,
    pageToken: string | undefined,
  ): Promise<{ readonly objects: GcsObject[]; readonly next: string | undefined }>;
}

const RESOURCE = z.object({
  name: z.string(),
  generation: z.coerce.string(),
  size: z.coerce.number(),
  metadata: z.record(z.string(), z.string()).optional(),
  timeCreated: z.string(),
});
const REWRITE = z.object({ done: z.boolean(), rewriteToken: z.string().optional() });
const PAGE_OBJECTS = 1000;
/** A rewrite within one bucket takes one call; more only when the bucket's location or key changed meanwhile. */
const MAX_REWRITE_CALLS = 1000;

/** A bucket by its name. */
export function gcsBucket({ storage, download }: GcsClient, bucketName: string): GcsBucket {
  const bucket = async () => (await storage()).bucket(bucketName);

  return {
    async stat(name) {
      const answer = await download({ bucket: bucketName, name, alt: 'json' });
      if (typeof answer === 'number') return undefined;
      return objectOf(JSON.parse((await bytesOf(answer)).toString()));
    },
    async read(name) {
      const answer = await download({ bucket: bucketName, name });
      if (typeof answer === 'number') return undefined;
      return { bytes: await bytesOf(answer), generation: generationOf(answer) };
    },
    readRange: (name, range) => readRange(download, { bucket: bucketName, name }, range),
    async *stream({ name, generation }, gone) {
      const answer = await download({ bucket: bucketName, name, generation });
      if (typeof answer === 'number') throw gone();
      try {
        if (answer.body !== null) yield* answer.body;
      } catch (error) {
        throw storageFailure(error);
      }
    },
    write: (name, bytes, { contentType, metadata = {}, replaces }) =>
      orUndefined([412], async () => {
        const file = (await bucket()).file(name);
        await file.save(Buffer.from(bytes), {
          resumable: false,
          contentType,
          metadata: { metadata },
          preconditionOpts: { ifGenerationMatch: Number(replaces) },
        });
        return String(file.metadata.generation);
      }),
    copy: async (from, to, write) =>
      (await orUndefined([404, 412], async () => {
        await rewrite(await bucket(), { from, to, write });
        return true;
      })) ?? false,
    async remove(name, generation) {
      await orUndefined([404, 412], async () =>
        (await bucket()).file(name).delete({ ifGenerationMatch: Number(generation) }),
      );
    },
    async openSession(name, { contentType, metadata = {}, size }) {
      try {
        const [address] = await (await bucket()).file(name).createResumableUpload({
          metadata: { contentType, contentLength: size, metadata },
          preconditionOpts: { ifGenerationMatch: 0 },
        });
        return address;
      } catch (error) {
        throw storageFailure(error);
      }
    },
    async list(prefix, pageToken) {
      const page = pageToken === undefined ? {} : { pageToken };
      try {
        const [files, next] = await (await bucket()).getFiles({
          prefix,
          maxResults: PAGE_OBJECTS,
          autoPaginate: false,
          ...page,
        });
        const objects = files.map(({ metadata }) => objectOf(metadata));
        return { objects, next: next === null ? undefined : next?.pageToken };
      } catch (error) {
        throw storageFailure(error);
      }
    },
  };
}

function objectOf(resource: unknown): GcsObject {
  const { timeCreated, metadata = {}, ...rest } = RESOURCE.parse(resource);
  return { ...rest, metadata, createdAt: Date.parse(timeCreated) };
}

async function readRange(
  download: Download,
  wanted: { readonly bucket: string; readonly name: string },
  { offset, maxBytes }: { readonly offset: number; readonly maxBytes: number },
): Promise<{ readonly bytes: Buffer; readonly size: number } | undefined> {
  const range = { first: offset, last: offset + maxBytes - 1 };
  const answer = await download({ ...wanted, range });
  if (answer === 404) return undefined;
  if (answer !== 416) {
    const bytes = await bytesOf(answer);
    return { bytes, size: wholeSize(answer) ?? bytes.length };
  }
  // Nothing lies within the range, as at the end of a log that still grows.
  const whole = await download({ ...wanted, range: { first: 0, last: 0 } });
  if (whole === 404) return undefined;
  const size = whole === 416 ? 0 : wholeSize(whole);
  if (whole !== 416) await whole.body?.cancel();
  return { bytes: Buffer.alloc(0), size: size ?? 0 };
}

async function bytesOf(answer: Response): Promise<Buffer> {
  try {
    return Buffer.from(await answer.arrayBuffer());
  } catch (error) {
    throw storageFailure(error);
  }
}

function wholeSize(answer: Response): number | undefined {
  const size = /\/(\d+)$/.exec(answer.headers.get('Content-Range') ?? '')?.[1];
  return size === undefined ? undefined : Number(size);
}

function generationOf(answer: Response): string {
  const generation = answer.headers.get('x-goog-generation');
  if (generation !== null) return generation;
  throw storageFailure(new Error('an answer names no generation'));
}

// File.copy of storage 8.4.0 drops the precondition and the metadata when a rewrite takes more than one call.
async function rewrite(
  bucket: Bucket,
  { from, to, write }: { readonly from: GcsObject; readonly to: string; readonly write: GcsWrite },
): Promise<void> {
  const [source, target] = [from.name, to].map(encodeURIComponent);
  let token: string | undefined;
  for (let call = 1; call <= MAX_REWRITE_CALLS; call++) {
    const [answer] = await bucket.request({
      method: 'POST',
      uri: `/o/${source}/rewriteTo/b/${bucket.name}/o/${target}`,
      qs: {
        sourceGeneration: from.generation,
        ifSourceGenerationMatch: from.generation,
        ifGenerationMatch: write.replaces,
        ...(token === undefined ? {} : { rewriteToken: token }),
      },
      json: { contentType: write.contentType, metadata: write.metadata ?? {} },
    });
    const state = REWRITE.parse(answer);
    if (state.done) return;
    token = state.rewriteToken;
  }
  throw new Error(`the copy of ${from.name} does not end`);
}
