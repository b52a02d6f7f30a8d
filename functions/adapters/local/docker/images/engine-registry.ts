import { AppError, isAppError } from '../../../../../shared/errors/app-error.ts';
import { parseImageReference } from '../../../../../shared/image/reference.ts';
import { layerMissing } from '../../../../../shared/layers/layer-errors.ts';
import type { LayerStore } from '../../../../ports/layer-store.ts';
import type { ImageLookup, Registry, RunImage } from '../../../../ports/registry.ts';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import { appDirectoryLayer } from '../../../images/app-directory.ts';
import type { ImageFacts } from '../../../images/image-facts.ts';
import { type PlannedImage, planRunImage } from '../../../images/run-image.ts';
import type { SentLayer } from '../../../images/sent-layer.ts';
import { once } from '../../once.ts';
import { connectEngine, type Engine } from '../engine/engine.ts';
import { EngineRefusal } from '../engine/engine-call.ts';
import { imageArchive } from './image-archive.ts';
import { createImagePulls } from './image-pulls.ts';
import { createImages, type Images } from './images.ts';
import { buildRunImage, type DockerProgram } from './run-image-build.ts';

/** What the registry of a local engine needs. */
export interface EngineRegistryOptions {
  /** Where code layers are. */
  readonly layers: Pick<LayerStore, 'check' | 'open'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Finds a `docker` that can build, for engines with containerd's image store. */
  readonly findDocker: () => Promise<DockerProgram>;
  /** Default: the engine that `DOCKER_HOST` names, else the one on the usual socket. Called once, when it is first needed. */
  readonly connect?: () => Promise<Engine>;
}

interface RegistryDeps extends EngineRegistryOptions {
  readonly images: Images;
  readonly closing: AbortSignal;
}

/**
 * The images of a local engine as a registry. What is there is used as it is; what is not is fetched in the background, without a
 * login. Appending sends the engine only the code layers. `close` ends what is under way and waits for it.
 */
export function createEngineRegistry(
  options: EngineRegistryOptions,
): Registry & { close(): Promise<void> } {
  const closing = new AbortController();
  const images = createImages(once(options.connect ?? connectEngine), closing.signal);
  const deps = { ...options, images, closing: closing.signal };
  const pulls = createImagePulls(deps);
  const appending = new Map<string, Promise<{ digest: string }>>();

  async function resolve(reference: string): Promise<ImageLookup> {
    const isId = /^sha256:[0-9a-f]{64}$/.test(reference);
    const invalid = isId ? null : problemOf(reference);
    if (invalid !== null) return invalid;
    const found = await images.inspect(reference);
    if (found !== null) return { state: 'found', digest: found.id };
    if (!isId) return pulls.look(reference);
    return {
      state: 'absent',
      message: `There is no image ${reference} on this machine.`,
      hint: 'Name it by a reference that it can be fetched by.',
    };
  }

  async function append(image: RunImage): Promise<{ digest: string }> {
    try {
      const base = await baseOf(images, image);
      const plan = planRunImage(base, image);
      const known = appending.get(plan.id);
      if (known !== undefined) return await known;
      const made = make(deps, base, plan).finally(() => appending.delete(plan.id));
      appending.set(plan.id, made);
      return await made;
    } catch (error) {
      if (error instanceof EngineRefusal) throw refused(image, error);
      throw error;
    }
  }

  return {
    resolve,
    append,
    close: async () => {
      closing.abort();
      await pulls.close();
      await Promise.allSettled(appending.values());
    },
  };
}

function problemOf(reference: string): ImageLookup | null {
  try {
    parseImageReference(reference);
    return null;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { state: 'absent', message: error.message, hint: error.hint ?? null };
  }
}

async function baseOf(images: Images, { base }: RunImage): Promise<ImageFacts> {
  const isAskable = /^sha256:[0-9a-f]{64}$/.test(base) || problemOf(base) === null;
  const found = isAskable ? await images.inspect(base) : null;
  if (found !== null) return found;
  throw new AppError('BUILD_FAILED', `The image ${base} is not on this machine any more.`, {
    hint: 'Submit again to have it made.',
  });
}

async function make(
  deps: RegistryDeps,
  base: ImageFacts,
  plan: PlannedImage,
): Promise<{ digest: string }> {
  const { images } = deps;
  const [repo = '', tag = ''] = plan.tag.split(':');
  const known = await images.inspect(plan.id);
  if (known !== null) {
    if (!known.tags.includes(plan.tag)) await images.tag(plan.id, { repo, tag });
    return { digest: plan.id };
  }
  const layers = await layersOf(deps, plan);
  if (await images.isContainerdStore()) return build(deps, { base, plan, layers });
  const sent = layers.length === 0 ? [] : [...layers, appDirectoryLayer()];
  await images.load(imageArchive(plan, sent));
  return verified(await images.inspect(plan.id), plan.diffIds);
}

async function layersOf(
  { layers }: RegistryDeps,
  plan: PlannedImage,
): Promise<readonly SentLayer[]> {
  const states = plan.layers.length === 0 ? [] : await layers.check(plan.layers);
  return plan.layers.map((diffId, i) => {
    const found = states[i];
    if (found?.state !== 'verified') throw layerMissing(diffId);
    return { diffId, size: found.layer.uncompressedSize, open: () => layers.open(diffId) };
  });
}

// Ids of this store are not known before, so the tag is what tells that it is there.
async function build(
  { images, findDocker, closing }: RegistryDeps,
  parts: {
    readonly base: ImageFacts;
    readonly plan: PlannedImage;
    readonly layers: readonly SentLayer[];
  },
): Promise<{ digest: string }> {
  const { base, plan, layers } = parts;
  const known = await images.inspect(plan.tag);
  if (known !== null) return { digest: known.id };
  const tag = base.id.replace('sha256:', '');
  await images.tag(base.id, { repo: BASE_REPOSITORY, tag });
  const from = { base: `${BASE_REPOSITORY}:${tag}`, layers, signal: closing };
  try {
    await buildRunImage(await findDocker(), plan, from);
  } catch (error) {
    closing.throwIfAborted();
    await images.inspect(base.id); // an engine that went away meanwhile says so: then the build did not fail
    throw error;
  }
  // A build packs the files of a layer anew, and keeps the owners of directories that are there.
  const wanted = [...(base.layers ?? []), ...plan.layers.map(() => null)];
  return verified(await images.inspect(plan.tag), wanted);
}

/** Repository of private tags of bases, which builds can name. */
const BASE_REPOSITORY = 'caliban/base';

/** The image, when it has the layers that it is to have; null stands for any one. */
function verified(made: ImageFacts | null, wanted: readonly (string | null)[]): { digest: string } {
  const layers = made?.layers ?? [];
  const isWhole = layers.length === wanted.length && wanted.every(isLike(layers));
  if (made !== null && isWhole) return { digest: made.id };
  throw new AppError(
    'BUILD_FAILED',
    'The engine made an image that has not the layers it was given.',
    {
      hint: 'Look at the log of the Docker engine, then submit again.',
      context: { image: made?.id ?? null, layers, wanted },
    },
  );
}

function isLike(layers: readonly string[]) {
  return (layer: string | null, at: number): boolean => layer === null || layer === layers[at];
}

function refused({ base }: RunImage, refusal: EngineRefusal): AppError {
  const words = refusal.message.replace(/\.*$/, '.');
  const isFull = /no space left/i.test(words);
  return new AppError('BUILD_FAILED', `The code could not be laid on ${base}: ${words}`, {
    hint: isFull
      ? 'Free space for Docker, then submit again: docker system df shows what it uses.'
      : 'Look at the log of the Docker engine, then submit again.',
    cause: refusal,
  });
}
