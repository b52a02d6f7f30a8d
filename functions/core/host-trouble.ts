import { isAppError } from '../../shared/errors/app-error.ts';
import type { ErrorCode } from '../../shared/errors/catalog.ts';

const TROUBLES: ReadonlySet<ErrorCode> = new Set(['DATA_DIR_UNUSABLE', 'DISK_FULL', 'STORE_BUSY']);

/** Whether the records could not be written: that says nothing about what was asked, and the same goes well once they can. */
export function isHostTrouble(error: unknown): boolean {
  return isAppError(error) && TROUBLES.has(error.code);
}
