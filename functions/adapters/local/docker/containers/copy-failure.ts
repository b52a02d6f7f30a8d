import { systemCode } from '../../durable-file.ts';

const DISK_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/** Whether what is copied from a container could not be written: there may be room on the disk later. */
export function isOfDisk(error: unknown): boolean {
  return DISK_CODES.has(systemCode(error) ?? '');
}

/** Why, in a part of a line. */
export function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.slice(0, 200);
}
