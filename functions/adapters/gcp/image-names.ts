/**
 * Names of images in the repository of a hosted service, as in `us-central1-docker.pkg.dev/PROJECT/caliban`: run images are in `run`,
 * dependency images in `deps`, what builds remember in `cache`.
 */
export function runRepository(repository: string): string {
  return `${repository}/run`;
}

/** The name that a platform pulls a run image by. `digest`: as `Registry` gives it, `sha256:…`. */
export function runImageName(repository: string, digest: string): string {
  return `${runRepository(repository)}@${digest}`;
}

/** The name of the dependency image of a key. */
export function dependencyImageName(repository: string, key: string): string {
  return `${repository}/deps:${key}`;
}

/** The name of what builds on a base remember. */
export function cacheImageName(repository: string, baseDigest: string): string {
  return `${repository}/cache:base-${baseDigest.replace('sha256:', '').slice(0, 32)}`;
}
