import { ApiFailure, conditionNotMet, noObject } from './api-failure.ts';
import { crc32cOf, md5Of } from './checksums.ts';

/** The parts of an object that its writer chooses. */
export interface ObjectSettings {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly cacheControl?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One generation of an object. */
export interface StoredObject {
  readonly bucket: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly generation: number;
  readonly metageneration: number;
  readonly settings: ObjectSettings;
  readonly timeCreated: number;
  readonly updated: number;
  readonly md5Hash: string;
  readonly crc32c: string;
}

/** Preconditions of a request. Generation 0 stands for "no such object". */
export interface Preconditions {
  readonly ifGenerationMatch?: number;
  readonly ifGenerationNotMatch?: number;
  readonly ifMetagenerationMatch?: number;
  readonly ifMetagenerationNotMatch?: number;
}

/** What an object is written from. */
export interface NewObject {
  readonly bucket: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly settings: ObjectSettings;
}

/** Buckets in memory, without object versioning: a write replaces the generation before. */
export interface StoredObjects {
  buckets(): string[];
  addBucket(name: string): void;
  removeBucket(name: string): void;
  /** Throws the 404 of a bucket that is not there. */
  requireBucket(name: string): void;
  find(bucket: string, name: string): StoredObject | undefined;
  /** The live object, of that generation when one is asked for. Throws the 404. */
  get(bucket: string, name: string, generation?: number): StoredObject;
  names(bucket: string): string[];
  put(object: NewObject, conditions: Preconditions): StoredObject;
  patch(object: StoredObject, settings: ObjectSettings): StoredObject;
  remove(bucket: string, name: string): void;
}

/** `maxBytes` bounds the bytes of all objects together. */
export function createStoredObjects(maxBytes: number, now: () => number): StoredObjects {
  const buckets = new Map<string, Map<string, StoredObject>>();
  let held = 0;
  let lastGeneration = 0;

  function objectsOf(bucket: string): Map<string, StoredObject> {
    const found = buckets.get(bucket);
    if (found !== undefined) return found;
    throw new ApiFailure(404, 'notFound', 'The specified bucket does not exist.');
  }

  // A real generation is the time in microseconds; here it also never repeats.
  function nextGeneration(): number {
    lastGeneration = Math.max(lastGeneration + 1, now() * 1000);
    return lastGeneration;
  }

  const find = (bucket: string, name: string) => objectsOf(bucket).get(name);

  return {
    buckets: () => [...buckets.keys()].sort(),
    addBucket(name) {
      if (buckets.has(name)) throw new ApiFailure(409, 'conflict', 'The bucket already exists.');
      if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(name)) {
        throw new ApiFailure(400, 'invalid', `Invalid bucket name: '${name}'`);
      }
      buckets.set(name, new Map());
    },
    removeBucket(name) {
      if (objectsOf(name).size > 0) {
        throw new ApiFailure(409, 'conflict', 'The bucket you tried to delete is not empty.');
      }
      buckets.delete(name);
    },
    requireBucket: (name) => void objectsOf(name),
    find,
    get(bucket, name, generation) {
      const found = find(bucket, name);
      if (found !== undefined && (generation ?? found.generation) === found.generation)
        return found;
      throw noObject(bucket, name);
    },
    names: (bucket) =>
      [...objectsOf(bucket).keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    put({ bucket, name, bytes, settings }, conditions) {
      const objects = objectsOf(bucket);
      const before = objects.get(name);
      if (failedCondition(before, conditions) !== undefined) throw conditionNotMet();
      held += bytes.length - (before?.bytes.length ?? 0);
      if (held > maxBytes) {
        held -= bytes.length - (before?.bytes.length ?? 0);
        throw new ApiFailure(500, 'backendError', `The double holds at most ${maxBytes} bytes.`);
      }
      const time = now();
      const object: StoredObject = {
        bucket,
        name,
        bytes,
        generation: nextGeneration(),
        metageneration: 1,
        settings,
        timeCreated: time,
        updated: time,
        md5Hash: md5Of(bytes),
        crc32c: crc32cOf(bytes),
      };
      objects.set(name, object);
      return object;
    },
    patch(object, settings) {
      const changed = {
        ...object,
        settings,
        metageneration: object.metageneration + 1,
        updated: now(),
      };
      objectsOf(object.bucket).set(object.name, changed);
      return changed;
    },
    remove(bucket, name) {
      held -= objectsOf(bucket).get(name)?.bytes.length ?? 0;
      objectsOf(bucket).delete(name);
    },
  };
}

/** Which kind of precondition fails for an object: `match` is answered with 412, `not-match` of a read with 304. */
export function failedCondition(
  object: StoredObject | undefined,
  conditions: Preconditions,
): 'match' | 'not-match' | undefined {
  const generation = object?.generation ?? 0;
  const metageneration = object?.metageneration;
  const { ifGenerationMatch, ifMetagenerationMatch } = conditions;
  if (ifGenerationMatch !== undefined && ifGenerationMatch !== generation) return 'match';
  if (ifMetagenerationMatch !== undefined && ifMetagenerationMatch !== metageneration) {
    return 'match';
  }
  if (conditions.ifGenerationNotMatch === generation) return 'not-match';
  const { ifMetagenerationNotMatch } = conditions;
  if (ifMetagenerationNotMatch !== undefined && ifMetagenerationNotMatch === metageneration) {
    return 'not-match';
  }
  return undefined;
}
