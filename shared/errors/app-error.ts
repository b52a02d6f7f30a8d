import { ERROR_CATALOG, type ErrorCode } from './catalog.ts';

/** What an AppError carries besides its message. */
export interface AppErrorDetails {
  /** The command or setting that fixes it. */
  readonly hint?: string;
  /** Values a program may want to read; never secrets. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one class of expected failures. The message says what happened, with the value and the limit;
 * the hint says what to do. Anything else thrown is a bug. Compare `code`, never the class.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly context: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, details: AppErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.hint = details.hint;
    this.context = details.context;
  }

  /** HTTP status of the code. */
  get status(): number {
    return ERROR_CATALOG[this.code].status;
  }

  /** Exit status of the CLI for the code. */
  get exit(): number {
    return ERROR_CATALOG[this.code].exit;
  }
}

/** Whether a thrown value is an expected failure (of the given code, when one is given). */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}
