import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import type { ErrorCode } from '../../shared/errors/catalog.ts';

/** What a machine may lack for a while: room on a disk, a disk that can be written, or descriptors, processes and memory. */
export type HostTrouble = 'no-room' | 'read-only' | 'scarce';

// Codes of failed system calls, as in errno(3). None of them says anything about what was asked, and all of them may pass.
const SYSTEM_CODES: ReadonlyMap<unknown, HostTrouble> = new Map([
  ['ENOSPC', 'no-room'],
  ['EDQUOT', 'no-room'],
  ['EFBIG', 'no-room'],
  ['EROFS', 'read-only'],
  ['EMFILE', 'scarce'],
  ['ENFILE', 'scarce'],
  ['EAGAIN', 'scarce'],
  ['ENOMEM', 'scarce'],
]);

const LACKING: Readonly<Record<string, string>> = {
  EMFILE: 'the service may open no more files',
  ENFILE: 'no more files can be opened',
  EAGAIN: 'no more processes or threads can be started',
  ENOMEM: 'no memory is left',
};

const TROUBLES: ReadonlySet<ErrorCode> = new Set([
  'DATA_DIR_UNUSABLE',
  'DISK_FULL',
  'HOST_BUSY',
  'STORE_BUSY',
]);

/** Links of a chain of causes that are looked at. */
const DEEPEST = 8;
/** When to ask again for what the machine lacked. */
const RETRY_MS = 2_000;

/**
 * Whether the machine was to blame, so that nothing happened and the same goes well once the machine can: what was accepted waits for
 * that, and it counts as no failure.
 */
export function isHostTrouble(error: unknown): boolean {
  return (isAppError(error) && TROUBLES.has(error.code)) || troubleOf(error) !== undefined;
}

/** What the machine lacked when a system call failed, as the error or one of its causes tells; undefined: it was something else. */
export function troubleOf(error: unknown): HostTrouble | undefined {
  return SYSTEM_CODES.get(troubleCode(error));
}

/** The AppError HOST_BUSY for a failed system call whose trouble is 'scarce'. */
export function hostBusy(cause: unknown): AppError {
  const code = troubleCode(cause);
  const lacking = LACKING[code ?? ''] ?? 'something is used up';
  return new AppError(
    'HOST_BUSY',
    `The machine of the service is at its limits: ${lacking}${code === undefined ? '' : ` (${code})`}.`,
    {
      hint: 'Try again in a moment. If it stays, raise the limits of the service, or give it fewer slots.',
      context: { retryAfterMs: RETRY_MS },
      cause,
    },
  );
}

function troubleCode(error: unknown): string | undefined {
  let link = error;
  for (let depth = 0; depth < DEEPEST && link instanceof Error; depth++) {
    if ('code' in link && typeof link.code === 'string' && SYSTEM_CODES.has(link.code)) {
      return link.code;
    }
    link = link.cause;
  }
  return undefined;
}
