/** Where jobs run. `local` marks what `caliban run` did itself; it is never submitted to. */
export const PLATFORM_KINDS = ['vertex', 'gke', 'docker', 'process', 'local'] as const;

/** One of {@link PLATFORM_KINDS}. */
export type PlatformKind = (typeof PLATFORM_KINDS)[number];
