import type { SubmissionSpec } from '../../shared/api/submissions.ts';

/** What a dependency image (or virtualenv) is made from, as sent. */
export type DependencySpec = SubmissionSpec['dependencies'];

/** Nothing to install: with a given image. */
export const NO_DEPENDENCIES: DependencySpec = {
  base: null,
  apt: [],
  python: null,
  extras: [],
  layer: null,
  requirements: null,
};
