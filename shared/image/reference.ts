import { AppError } from '../errors/app-error.ts';

/** An image reference in its parts, as written. */
export interface ImageReference {
  /** Registry and path, as in `python` or `registry.example:5000/team/base`. */
  readonly repository: string;
  readonly tag: string | null;
  /** As in `sha256:…`. */
  readonly digest: string | null;
}

// The grammar of https://github.com/distribution/reference (read 2026-11), in which every repeat is told apart by its first
// character, so that no text takes long.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*';
const HOST_PART = '[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*';
const HOST = `(?:${HOST_PART}(?:\\.${HOST_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const REFERENCE = new RegExp(
  `^((?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@(sha256:[a-f0-9]{64}))?$`,
);
const LONGEST = 500;

/** Reads an image reference. Throws AppError BUILD_FAILED for what is none. */
export function parseImageReference(text: string): ImageReference {
  const [, repository, tag, digest] = (text.length <= LONGEST && REFERENCE.exec(text)) || [];
  if (repository === undefined) {
    throw new AppError('BUILD_FAILED', `${JSON.stringify(text)} is no image reference.`, {
      hint: 'Write it as NAME, NAME:TAG or NAME@sha256:DIGEST, the name in lower case.',
      context: { reference: text.slice(0, LONGEST) },
    });
  }
  return { repository, tag: tag ?? null, digest: digest ?? null };
}

/** Whether two names of repositories mean the same one: Docker shortens those of its own hub. */
export function isSameRepository(one: string, other: string): boolean {
  return familiarName(one) === familiarName(other);
}

function familiarName(repository: string): string {
  return repository.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
}
