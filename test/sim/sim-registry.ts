import { createHash } from 'node:crypto';
import type { BaseImage } from '../../functions/adapters/images/base-image.ts';
import type { Registry } from '../../functions/ports/registry.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { SimBuilds } from './sim-builds.ts';
import type { Worker } from './worker.ts';
import type { World } from './world.ts';

/** Where images of the simulation are. */
export const REPOSITORY = 'registry.test/project/caliban';

/** What the image step and the builder ask of a registry, as one instance of the service sees it. */
export interface SimRegistry extends Registry {
  baseImage(reference: string): Promise<BaseImage>;
  digestOf(reference: string): Promise<string | null>;
}

/** A registry in which the image of a key is once a build of it succeeded. What is appended to the same gets the same digest. */
export function simRegistryFor(instance: Worker, world: World, builds: SimBuilds): SimRegistry {
  const isThere = (reference: string) => {
    const key = reference.slice(`${REPOSITORY}/deps:`.length);
    return (builds.pushedAt(key) ?? Number.POSITIVE_INFINITY) <= world.now();
  };
  return {
    baseImage: (reference) =>
      instance.call(async () => {
        const digest = digestFrom(reference);
        return { reference, digest, pinned: `${reference}@${digest}` };
      }),
    digestOf: (reference) =>
      instance.call(async () => (isThere(reference) ? digestFrom(reference) : null)),
    resolve: (reference) =>
      instance.call(async () => ({ state: 'found', digest: digestFrom(reference) })),
    append: (image) =>
      instance.call(async () => {
        if (!isThere(image.base)) throw new AppError('BUILD_FAILED', `${image.base} is gone.`);
        return { digest: digestFrom(JSON.stringify(image)) };
      }),
  };
}

function digestFrom(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
