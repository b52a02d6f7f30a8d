import type { ImageInspectInfo } from 'dockerode';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { isSameRepository, parseImageReference } from '../../../../../shared/image/reference.ts';
import type { Clock } from '../../../../ports/runtime.ts';
import type { BaseImage as AnyBaseImage } from '../../../images/base-image.ts';
import type { BuildShell } from '../../builds/build-log.ts';
import type { Engine } from '../engine/engine.ts';
import {
  ANSWER_MS,
  askEngine,
  askForUser,
  EngineRefusal,
  EngineSilent,
  engineUnavailable,
  unless,
} from '../engine/engine-call.ts';

/** A base image, resolved. */
export interface BaseImage extends AnyBaseImage {
  /** What makes `pinned` known to the engine: nothing, a private tag, or a pull. */
  readonly origin: 'named' | 'untagged' | 'registry';
}

/** Finds what a reference stands for now. Throws AppError BUILD_FAILED (what is wrong with it, and a hint), UNAVAILABLE. */
export type ResolveBase = (reference: string) => Promise<BaseImage>;

const REGISTRY_TIMEOUT_MS = 20_000;
const REMEMBERED_MS = 3_600_000;
const PRIVATE_REPOSITORY = 'caliban/base';

/**
 * Resolves base images: those of the engine as they are, others by their registry. What a registry said is remembered for
 * an hour, so that a key holds while its build waits; a pull then makes the image one of the engine.
 */
export function createBaseResolver(options: {
  readonly engine: Engine;
  readonly clock: Clock;
}): ResolveBase {
  const { engine, clock } = options;
  const remembered = new Map<string, { readonly base: BaseImage; readonly until: number }>();
  return async (reference) => {
    const local = await localBase(engine, reference);
    if (local !== null) return local;
    const known = remembered.get(reference);
    if (known !== undefined && known.until > clock.now()) return known.base;
    const base = await registryBase(engine, reference);
    for (const [other, { until }] of remembered) {
      if (until <= clock.now()) remembered.delete(other);
    }
    remembered.set(reference, { base, until: clock.now() + REMEMBERED_MS });
    return base;
  };
}

/** Makes a resolved base known to the engine, with the progress in the build's log. Whether it is now. */
export async function fetchBase(
  from: { readonly engine: Engine; readonly docker: string },
  base: BaseImage,
  shell: BuildShell,
): Promise<boolean> {
  const { engine, docker } = from;
  const { pinned, digest, reference } = base;
  if (base.origin === 'untagged') {
    const [repo = '', tag = ''] = pinned.split(':');
    await tagImage(engine, digest, { repo, tag });
  }
  if (base.origin !== 'registry') return true;
  if (!(await shell.succeeds([docker, 'pull', pinned]))) return false;
  const { repository: repo, tag, digest: wanted } = parseImageReference(reference);
  // As a pull by name would: found by that name from now on. A name that somebody took meanwhile stays theirs.
  if (wanted === null && (await localImage(engine, reference)) === null) {
    await tagImage(engine, pinned, { repo, tag: tag ?? 'latest' });
  }
  return true;
}

/** What the engine tells of an image, by id or reference; null: it has none. Throws EngineRefusal, AppError UNAVAILABLE. */
export function localImage(engine: Engine, name: string): Promise<ImageInspectInfo | null> {
  return unless([404], () => askForUser({ ms: ANSWER_MS }, () => engine.getImage(name).inspect()));
}

async function tagImage(
  engine: Engine,
  image: string,
  name: { readonly repo: string; readonly tag: string },
): Promise<void> {
  await askForUser({ ms: ANSWER_MS }, (abortSignal) =>
    engine.getImage(image).tag({ ...name, abortSignal }),
  );
}

async function localBase(engine: Engine, reference: string): Promise<BaseImage | null> {
  const { repository, digest: given } = parseImageReference(reference);
  const found = await localImage(engine, reference);
  if (found === null) return null;
  if (given !== null) {
    return { reference, pinned: `${repository}@${given}`, digest: given, origin: 'named' };
  }
  for (const named of found.RepoDigests ?? []) {
    const [name = '', digest] = named.split('@');
    if (digest !== undefined && isSameRepository(name, repository)) {
      return { reference, pinned: `${repository}@${digest}`, digest, origin: 'named' };
    }
  }
  const pinned = `${PRIVATE_REPOSITORY}:${found.Id.replace('sha256:', '')}`;
  return { reference, pinned, digest: found.Id, origin: 'untagged' };
}

async function registryBase(engine: Engine, reference: string): Promise<BaseImage> {
  const { repository } = parseImageReference(reference);
  const found = await askRegistry(engine, reference);
  const { digest } = found.Descriptor;
  return { reference, pinned: `${repository}@${digest}`, digest, origin: 'registry' };
}

async function askRegistry(engine: Engine, reference: string) {
  try {
    return await askEngine({ ms: REGISTRY_TIMEOUT_MS }, () =>
      engine.getImage(reference).distribution(),
    );
  } catch (error) {
    if (error instanceof EngineRefusal) throw baseUnknown(reference, error);
    if (!(error instanceof EngineSilent)) throw error;
    // The engine is there, so it waits for the registry, or passes on what that says.
    if (error.why === 'away') throw engineUnavailable(error);
    const reason =
      error.why === 'late' ? `its registry did not answer ${error.reason}` : error.reason;
    throw baseUnknown(reference, { status: 503, message: reason });
  }
}

const OTHER =
  'name another base image (base_image in .calibanconfig.json, else --base_image of caliban serve).';

/** Why a base image that is not here cannot be had. */
function baseUnknown(
  reference: string,
  { status, message }: Pick<EngineRefusal, 'status' | 'message'>,
): AppError {
  const fail = (what: string, hint: string) =>
    new AppError('BUILD_FAILED', `The base image ${reference} ${what}`, {
      hint,
      context: { reference, status },
    });
  if (
    status === 401 ||
    status === 403 ||
    /denied|unauthorized|authentication|auth credentials/i.test(message)
  ) {
    return fail(
      `is not on this machine, and its registry refuses it: ${message}.`,
      `Check its name. If it is private: docker login, then docker pull ${reference} on the machine of the service (what is there is used as it is); or ${OTHER}`,
    );
  }
  if (status === 404 || /manifest unknown|not found/i.test(message)) {
    return fail(
      `is neither on this machine nor in its registry: ${message}.`,
      `Check its name and tag, or ${OTHER}`,
    );
  }
  return fail(
    `is not on this machine, and its registry cannot be reached: ${message}.`,
    `Check the network and proxy settings of Docker, or docker pull ${reference} once it can be reached; or ${OTHER}`,
  );
}
