import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import type { PlatformJob } from '../../../../ports/platform.ts';
import { parseRef } from '../../attempts/attempt-files.ts';
import { orAbsent, placeDurably } from '../../durable-file.ts';

const PREFIX = 'dev.caliban.';

/**
 * What tells this directory's containers from those of other services on the same engine: made once and kept in the directory.
 * 12 lower-case hex characters. Throws AppError DATA_DIR_UNUSABLE for a damaged one: with another, containers that run would not be found.
 */
export async function serviceIdOf(dir: string): Promise<string> {
  const path = join(dir, 'service-id');
  const known = (await orAbsent(readFile(path, 'utf8')))?.trim();
  if (known !== undefined) {
    if (/^[0-9a-f]{12}$/.test(known)) return known;
    throw new AppError(
      'DATA_DIR_UNUSABLE',
      `${path} is damaged: ${JSON.stringify(known.slice(0, 40))} is no id of 12 hex digits.`,
      {
        hint: 'Put the id back, which stands in the label dev.caliban.service of its containers (docker ps --all), or remove the file if none is left.',
      },
    );
  }
  const id = randomBytes(6).toString('hex');
  await placeDurably(dir, 'service-id', `${id}\n`);
  return id;
}

/**
 * The name of an attempt's container: `caliban-<service>-<job>-<attempt>`, with `.<make>` for those that replace the first. Containers
 * are started by name: so a start that comes late never meets another container than its own. Docker takes names of
 * `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; ids of jobs are made of these, without the dot.
 */
export function containerName(
  service: string,
  job: Pick<PlatformJob, 'jobId' | 'attempt'>,
  make = 1,
): string {
  const first = `caliban-${service}-${job.jobId}-${job.attempt}`;
  return make === 1 ? first : `${first}.${make}`;
}

/** The name of a container that is not to be started any more. */
export function voidName(name: string): string {
  return `${name}.void`;
}

/** All labels of an attempt's container. The job's own get a prefix, so that none can stand for one of ours. */
export function containerLabels(service: string, job: PlatformJob): Record<string, string> {
  const own = Object.entries(job.labels).map(([key, value]) => [`${PREFIX}label.${key}`, value]);
  return {
    ...Object.fromEntries(own),
    [`${PREFIX}service`]: service,
    [`${PREFIX}job`]: job.jobId,
    [`${PREFIX}attempt`]: String(job.attempt),
    [`${PREFIX}lane`]: job.lane,
    [`${PREFIX}name`]: job.name,
  };
}

/** The label that all containers of a service have, as the engine's filters want it. */
export function serviceLabel(service: string): string {
  return `${PREFIX}service=${service}`;
}

/** The attempt that a service's container was made for, or null when its labels name none. */
export function refOfLabels(
  service: string,
  labels: Readonly<Record<string, string>>,
): string | null {
  if (labels[`${PREFIX}service`] !== service) return null;
  const ref = `${labels[`${PREFIX}job`]}.${labels[`${PREFIX}attempt`]}`;
  return parseRef(ref) === null ? null : ref;
}
