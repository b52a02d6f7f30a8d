import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { PlatformJob } from '../../../ports/platform.ts';

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

// What a program needs from its machine and user; the service's own settings and tokens stay behind.
const INHERITED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_\w+|NVIDIA_\w+|XDG_\w+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(https?|all|no|HTTPS?|ALL|NO)_(proxy|PROXY))$/;
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** The part of an environment that programs of users get. */
export function inheritedEnvironment(environment: Environment): Record<string, string> {
  const kept: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && INHERITED.test(name)) kept[name] = value;
  }
  return kept;
}

/** Entries that tell a job's processes from all others. */
export function jobMark(job: Pick<PlatformJob, 'jobId' | 'attempt'>): readonly [string, string][] {
  return [
    ['CALIBAN_JOB_ID', job.jobId],
    ['CALIBAN_ATTEMPT', String(job.attempt)],
  ];
}

/** The whole environment of a job. `binDir`: where its `python` is; null when there is none. */
export function jobEnvironment(
  environment: Environment,
  job: PlatformJob,
  python: { readonly binDir: string | null; readonly venv: string | null },
): Record<string, string> {
  const kept = inheritedEnvironment(environment);
  return {
    ...kept,
    PATH: [...(python.binDir === null ? [] : [python.binDir]), kept['PATH']].join(delimiter),
    PYTHONUNBUFFERED: '1',
    ...(python.venv === null ? {} : { VIRTUAL_ENV: python.venv }),
    ...Object.fromEntries(jobMark(job)),
  };
}

/**
 * A directory, made once below `dir`, whose `python` and `python3` are the given interpreter. Scripts, not links: an
 * interpreter of a virtualenv finds its packages from the path it was called by.
 */
export async function interpreterDirectory(dir: string, python: string): Promise<string> {
  const key = createHash('sha256').update(python).digest('hex').slice(0, 16);
  const target = join(dir, key);
  const temporary = join(dir, `${key}.tmp`);
  await mkdir(target, { recursive: true });
  for (const name of ['python', 'python3']) {
    await rm(temporary, { force: true });
    await writeFile(temporary, `#!/bin/sh\nexec ${shellQuoted(python)} "$@"\n`);
    await chmod(temporary, 0o755);
    await rename(temporary, join(target, name));
  }
  return target;
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
