import { isDamagedDatabase } from '../../../shared/errors/damaged-database.ts';
import { type Difference, LOST } from './difference.ts';

/** What a read that failed tells of the records. Rethrows an error that is about something else. */
export function damageOf(error: unknown, what: string): Difference {
  if (!isDamagedDatabase(error)) throw error;
  return {
    kind: 'database',
    subject: what,
    ids: {},
    found: error.message,
    expected: 'records that can be read to their end',
    fix: LOST,
    basis: [],
  };
}
