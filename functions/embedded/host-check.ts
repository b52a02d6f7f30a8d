import { type AttemptsOnDisk, attemptsOnDisk } from '../adapters/local/attempts/attempt-audit.ts';
import type { HostCheck } from '../core/check/check-records.ts';
import type { CoreDeps } from '../core/deps.ts';
import { attemptsStage, jobFilesStage } from './check-attempts.ts';
import { databaseStage } from './check-database.ts';
import type { DataDir } from './data-dir.ts';

/** Longer than the five seconds in which the service repairs what it missed. */
const PAUSE_MS = 6_000;

/** What one machine adds to the check of the records: the database file and the files of attempts. */
export function hostCheck(
  deps: Pick<CoreDeps, 'store' | 'clock'>,
  dir: DataDir,
  { isServed }: { readonly isServed: boolean },
): HostCheck {
  const places = [
    ['process', attemptsOnDisk(dir.platform)],
    ['docker', attemptsOnDisk(dir.docker)],
  ] as const;
  return {
    stages: [
      databaseStage({ path: dir.database, clock: deps.clock }),
      ...places.map(([platform, files]) => attemptsStage(deps, platform, files)),
      jobFilesStage(deps, new Map<string, AttemptsOnDisk>(places)),
    ],
    pauseMs: isServed ? PAUSE_MS : 0,
  };
}
