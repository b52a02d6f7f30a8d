import { AppError } from '../errors/app-error.ts';

/** Base images of a service: one reference in which `{}` stands for the mode, or one for each mode. */
export type BaseImages = string | Readonly<Record<'cpu' | 'gpu', string>>;

/** What a base image is chosen by. */
export interface BaseWish {
  readonly mode: 'cpu' | 'gpu';
  /** The reference asked for; null: the service's. */
  readonly base: string | null;
  /** The Python asked for, as in `3.12`; null: any. */
  readonly python: string | null;
}

/** A base image by name. */
export interface BaseChoice {
  readonly reference: string;
  /** The Python it must turn out to have; null: any, or known by its name. */
  readonly python: string | null;
}

/** The Python of images for which none is asked. */
const DEFAULT_PYTHON = '3.13';

/**
 * The base image for a wish: the one asked for, else the service's, else the public one of the Python asked for (CUDA comes
 * with the packages of the user, so that both modes have the same). Throws AppError BUILD_FAILED for a version that is none.
 */
export function chooseBase(wish: BaseWish, images: BaseImages | null): BaseChoice {
  const { mode, base, python } = wish;
  if (python !== null && !/^\d{1,2}(?:\.\d{1,3}){0,2}$/.test(python)) {
    throw new AppError('BUILD_FAILED', `${JSON.stringify(python)} is no version of Python.`, {
      hint: 'Write it as 3.12 or 3.12.4.',
      context: { python },
    });
  }
  const own =
    base ?? (typeof images === 'object' ? images?.[mode] : images?.replaceAll('{}', mode));
  return own === undefined
    ? { reference: `python:${python ?? DEFAULT_PYTHON}-slim`, python: null }
    : { reference: own, python };
}
