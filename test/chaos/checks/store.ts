import { type Check, check, found } from './check.ts';
import type { Evidence } from './evidence.ts';

/** The database is sound, and no message waits for anything. */
export function checkStore({ integrity, strayColumns, messages }: Evidence): Check {
  return check(
    'the database is sound and no message is left',
    'integrity_check, columns, outbox',
    found(
      integrity === 'ok' ? undefined : `integrity_check: ${integrity}`,
      strayColumns === 0 ? undefined : `${strayColumns} jobs have columns of another state`,
      messages === 0 ? undefined : `${messages} messages are left`,
    ),
  );
}
