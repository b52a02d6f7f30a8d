import { join } from 'node:path';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Platform } from '../../../ports/platform.ts';
import { attemptDirectory, hasEnded, parseRef } from './attempt-files.ts';
import { readPiece } from './attempt-log.ts';

/** A platform of this machine without its service: only logs can be read, and nothing is written. */
export function createOfflinePlatform(kind: 'process' | 'docker', dir: string): Platform {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new AppError('NO_SERVICE', 'No service is running here.', {
        hint: 'Start it with: caliban serve --detach',
      }),
    );
  return {
    kind,
    createDeadlineMs: 0,
    listLagMs: 0,
    submit: refuse,
    find: refuse,
    list: refuse,
    cancel: refuse,
    async readLog(ref, cursor, maxBytes) {
      if (parseRef(ref) === null) return { text: '', next: cursor, ended: true };
      const directory = attemptDirectory(dir, ref);
      const complete = await hasEnded(directory);
      const from = Number.parseInt(cursor, 10);
      const piece = await readPiece(join(directory, 'log'), Number.isSafeInteger(from) ? from : 0, {
        maxBytes,
        complete,
        limit: LIMITS.jobLogBytes,
      });
      // Nobody waits for more while no service runs.
      return { text: piece.text, next: String(piece.next), ended: piece.atEnd };
    },
  };
}
