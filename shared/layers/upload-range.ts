import { AppError } from '../errors/app-error.ts';

/** Bytes of a Content-Range header, as in the port UploadSink. */
export interface SentRange {
  readonly bytes: { readonly first: number; readonly last: number } | undefined;
  readonly total: number;
}

/** The staged bytes of one upload. They only grow, in order. */
export interface StagedBytes {
  readonly blobSize: number;
  received(): number;
  /** Takes bytes that begin at `position` (not beyond `received()`); what is there already is skipped. */
  take(position: number, bytes: Uint8Array): Promise<void>;
}

/**
 * Feeds the body of one PUT to the staged bytes, by the rules of the port UploadSink: bytes that are there are
 * skipped, nothing beyond the range is kept, a body that breaks keeps what arrived. Returns nothing; ask `received()`.
 * Throws AppError UPLOAD_CONFLICT (a gap, or another total than declared), REQUEST_INVALID (an impossible range,
 * or a body longer or shorter than it), and whatever the body throws.
 */
export async function takeRange(
  range: SentRange,
  body: AsyncIterable<Uint8Array>,
  staged: StagedBytes,
): Promise<void> {
  checkRange(range, staged);
  if (range.bytes === undefined) return;
  const end = range.bytes.last + 1;
  let position = range.bytes.first;
  for await (const chunk of body) {
    const fitting = chunk.subarray(0, end - position);
    await staged.take(position, fitting);
    position += fitting.length;
    if (fitting.length < chunk.length) {
      throw bodyMismatch(`is longer than its range of ${end - range.bytes.first} bytes`);
    }
  }
  if (position < end) {
    throw bodyMismatch(
      `ended after ${position - range.bytes.first} of the ${end - range.bytes.first} bytes of its range`,
    );
  }
}

function checkRange(range: SentRange, staged: StagedBytes): void {
  const { blobSize } = staged;
  if (range.total !== blobSize) {
    throw new AppError(
      'UPLOAD_CONFLICT',
      `The upload says ${range.total} bytes in all, the open session was declared with ${blobSize}.`,
      { hint: 'Declare the layer again with the size that is sent.', context: { blobSize } },
    );
  }
  if (range.bytes === undefined) return;
  const { first, last } = range.bytes;
  if (!isRangeWithin(first, last, blobSize)) {
    throw new AppError(
      'REQUEST_INVALID',
      `Range ${first}-${last} does not lie within the ${blobSize} bytes of the blob.`,
      { hint: 'Content-Range is "bytes FIRST-LAST/TOTAL", both ends inclusive.' },
    );
  }
  const received = staged.received();
  if (first <= received) return;
  throw new AppError(
    'UPLOAD_CONFLICT',
    `Range begins at byte ${first}, but only ${received} bytes have arrived.`,
    { hint: `Send the bytes from offset ${received} on.`, context: { received } },
  );
}

function isRangeWithin(first: number, last: number, size: number): boolean {
  return (
    Number.isSafeInteger(first) &&
    Number.isSafeInteger(last) &&
    first >= 0 &&
    first <= last &&
    last < size
  );
}

function bodyMismatch(problem: string): AppError {
  return new AppError('REQUEST_INVALID', `The body ${problem}.`, {
    hint: 'Ask how many bytes arrived (Content-Range: bytes */TOTAL) and go on from there.',
  });
}
