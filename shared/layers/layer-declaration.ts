import { AppError } from '../errors/app-error.ts';

/** How much a layer may hold. */
export interface LayerLimits {
  /** Bytes of the blob as sent. */
  readonly maxBlobBytes: number;
  /** Bytes of the uncompressed tar. */
  readonly maxUncompressedBytes: number;
  readonly maxEntries: number;
}

/** What an uploader promises; the same shape as the port's LayerDeclaration. */
export interface DeclaredLayer {
  readonly diffId: string;
  readonly blobSize: number;
  readonly encoding: 'gzip' | 'zstd' | 'identity';
  readonly uncompressedSize: number;
}

const DIFF_ID = /^[0-9a-f]{64}$/;
const MAX_CHECKED = 500;

/** Gives the id back. Throws AppError REQUEST_INVALID unless it is 64 lower-case hex digits, so that it is safe in a path. */
export function checkDiffId(diffId: string): string {
  if (DIFF_ID.test(diffId)) return diffId;
  throw new AppError(
    'REQUEST_INVALID',
    `Layer id ${JSON.stringify(diffId.slice(0, 80))} is not a sha256: 64 lower-case hex digits.`,
    { hint: 'Name the layer by the sha256 of its uncompressed tar, without a "sha256:" prefix.' },
  );
}

/** Checks the ids of one `check` call. Throws AppError LIMIT_EXCEEDED above 500, REQUEST_INVALID. */
export function checkDiffIds(diffIds: readonly string[]): void {
  if (diffIds.length > MAX_CHECKED) {
    throw new AppError(
      'LIMIT_EXCEEDED',
      `${diffIds.length} layers asked for at once; the limit is ${MAX_CHECKED}.`,
      { hint: `Ask in pages of ${MAX_CHECKED}.` },
    );
  }
  for (const diffId of diffIds) checkDiffId(diffId);
}

/**
 * Checks a declaration before a session is opened. Throws AppError REQUEST_INVALID (a malformed id or size),
 * LIMIT_EXCEEDED (more bytes than the limits allow).
 */
export function checkDeclaration(declaration: DeclaredLayer, limits: LayerLimits): void {
  checkDiffId(declaration.diffId);
  checkSize('blobSize', declaration.blobSize, limits.maxBlobBytes);
  checkSize('uncompressedSize', declaration.uncompressedSize, limits.maxUncompressedBytes);
}

/** Whether two declarations promise the same bytes. */
export function isSameDeclaration(a: DeclaredLayer, b: DeclaredLayer): boolean {
  return (
    a.diffId === b.diffId &&
    a.blobSize === b.blobSize &&
    a.encoding === b.encoding &&
    a.uncompressedSize === b.uncompressedSize
  );
}

function checkSize(name: string, bytes: number, limit: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new AppError('REQUEST_INVALID', `${name} ${bytes} is not a positive number of bytes.`, {
      hint: `Declare ${name} as the exact number of bytes.`,
    });
  }
  if (bytes <= limit) return;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `A layer with ${name} ${bytes} is larger than the limit of ${limit} bytes.`,
    {
      hint: 'Keep data out of the source: add it to .dockerignore and read it from storage instead.',
      context: { [name]: bytes, limit },
    },
  );
}
