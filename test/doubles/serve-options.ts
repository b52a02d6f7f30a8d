import type { ServeOptions } from '../../functions/embedded.ts';

/** A service on loopback, with plain processes and nothing set, in a directory of the test's own. */
export function serveOptions(
  given: Pick<ServeOptions, 'dataDir' | 'token' | 'signal'> & Partial<ServeOptions>,
): ServeOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    platform: 'process',
    slots: 2,
    onlyDocker: [],
    builds: { baseImage: null, caBundle: null, indexUrl: null },
    limits: { cpus: null, memoryBytes: null },
    idleMinutes: null,
    ...given,
  };
}
