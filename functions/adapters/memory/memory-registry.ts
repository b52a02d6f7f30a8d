import { createHash } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Registry, RunImage } from '../../ports/registry.ts';

/** A registry that only remembers: the deterministic double of unit tests. */
export interface MemoryRegistry extends Registry {
  /** Puts an image there under a reference, and tells its digest. */
  push(reference: string): string;
  /** What was appended, by digest; bases as digests. */
  readonly appended: ReadonlyMap<string, RunImage>;
}

/** An empty registry in memory. */
export function createMemoryRegistry(): MemoryRegistry {
  const tags = new Map<string, string>();
  const appended = new Map<string, RunImage>();
  const digestOf = (reference: string) =>
    tags.get(reference) ??
    ([...tags.values(), ...appended.keys()].includes(reference) ? reference : null);

  return {
    appended,
    push(reference) {
      const digest = digestText(reference);
      tags.set(reference, digest);
      return digest;
    },
    async resolve(reference) {
      const digest = digestOf(reference);
      if (digest !== null) return { state: 'found', digest };
      return { state: 'absent', message: `There is no image ${reference}.`, hint: null };
    },
    async append(image) {
      const base = digestOf(image.base);
      if (base === null) {
        throw new AppError('BUILD_FAILED', `The image ${image.base} is gone.`, {
          hint: 'Submit again to have it built.',
        });
      }
      const made = { ...image, base };
      const digest = digestText(JSON.stringify(made));
      appended.set(digest, made);
      return { digest };
    },
  };
}

function digestText(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
