/** What a code means to HTTP and to the shell. `exit` numbers are documented in docs/errors.md. */
interface ErrorSpec {
  readonly status: number;
  readonly exit: number;
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
}

/** Exit statuses of the CLI. 0 is success. */
export const EXIT = {
  jobFailed: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  build: 5,
  unavailable: 6,
  bug: 70,
  interrupted: 130,
} as const;

/**
 * Every expected failure. Codes are API: add freely, never rename or reuse. docs/errors.md has one
 * entry for each (a test holds them together).
 */
export const ERROR_CATALOG = {
  USAGE: { status: 400, exit: EXIT.usage, retryable: false },
  CONFIG_SYNTAX: { status: 422, exit: EXIT.usage, retryable: false },
  CONFIG_INVALID: { status: 422, exit: EXIT.usage, retryable: false },
  CONFIG_TOO_LARGE: { status: 413, exit: EXIT.usage, retryable: false },
  MODULE_NOT_FOUND: { status: 400, exit: EXIT.usage, retryable: false },
  PACK_REFUSED: { status: 400, exit: EXIT.usage, retryable: false },
  REQUEST_INVALID: { status: 400, exit: EXIT.usage, retryable: false },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, exit: EXIT.usage, retryable: false },
  REQUEST_TOO_LARGE: { status: 413, exit: EXIT.usage, retryable: false },
  LIMIT_EXCEEDED: { status: 422, exit: EXIT.usage, retryable: false },
  PLATFORM_UNSUPPORTED: { status: 422, exit: EXIT.usage, retryable: false },
  IDEMPOTENCY_MISMATCH: { status: 422, exit: EXIT.usage, retryable: false },
  SCHEMA_TOO_NEW: { status: 422, exit: EXIT.usage, retryable: false },
  LAYER_MISSING: { status: 409, exit: EXIT.usage, retryable: true },
  LAYER_INVALID: { status: 422, exit: EXIT.usage, retryable: false },
  UPLOAD_CONFLICT: { status: 409, exit: EXIT.unavailable, retryable: true },
  CURSOR_INVALID: { status: 422, exit: EXIT.usage, retryable: false },
  GROUP_NOT_FOUND: { status: 404, exit: EXIT.notFound, retryable: false },
  JOB_NOT_FOUND: { status: 404, exit: EXIT.notFound, retryable: false },
  SUBMISSION_NOT_FOUND: { status: 404, exit: EXIT.notFound, retryable: false },
  BUILD_NOT_FOUND: { status: 404, exit: EXIT.notFound, retryable: false },
  UPLOAD_NOT_FOUND: { status: 404, exit: EXIT.notFound, retryable: false },
  ROUTE_NOT_FOUND: { status: 404, exit: EXIT.notFound, retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, exit: EXIT.usage, retryable: false },
  UNAUTHENTICATED: { status: 401, exit: EXIT.auth, retryable: false },
  FORBIDDEN: { status: 403, exit: EXIT.auth, retryable: false },
  BUILD_FAILED: { status: 422, exit: EXIT.build, retryable: false },
  PYTHON_MISSING: { status: 503, exit: EXIT.build, retryable: false },
  DOCKER_UNUSABLE: { status: 503, exit: EXIT.build, retryable: false },
  NO_SERVICE: { status: 503, exit: EXIT.unavailable, retryable: true },
  SERVICE_LOCKED: { status: 409, exit: EXIT.unavailable, retryable: false },
  SERVE_REFUSED: { status: 400, exit: EXIT.usage, retryable: false },
  SETTINGS_INVALID: { status: 503, exit: EXIT.usage, retryable: false },
  DATA_DIR_UNUSABLE: { status: 503, exit: EXIT.unavailable, retryable: false },
  DISK_FULL: { status: 507, exit: EXIT.unavailable, retryable: false },
  HOST_BUSY: { status: 503, exit: EXIT.unavailable, retryable: true },
  STORE_BUSY: { status: 503, exit: EXIT.unavailable, retryable: true },
  UNAVAILABLE: { status: 503, exit: EXIT.unavailable, retryable: true },
  DEADLINE_EXCEEDED: { status: 504, exit: EXIT.unavailable, retryable: true },
  INTERNAL: { status: 500, exit: EXIT.bug, retryable: false },
} as const satisfies Record<string, ErrorSpec>;

/** A stable code of the catalog. */
export type ErrorCode = keyof typeof ERROR_CATALOG;
