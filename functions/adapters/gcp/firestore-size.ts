import { AppError } from '../../../shared/errors/app-error.ts';
import type { Key } from '../../ports/store.ts';
import { keyText } from '../../ports/store-rules.ts';
import { documentId } from './firestore-documents.ts';

// Limits and the way to count: https://cloud.google.com/firestore/quotas and https://cloud.google.com/firestore/docs/storage-size, read 2026-11.
// A little below both, so that it is always us who refuse: the emulator counts some bytes more than the page says.
const DOCUMENT_BYTES = 1_048_576 - 4_096;
const REQUEST_BYTES = 9 * 1024 * 1024;
/** Of one write in a request, beside its document: the database's name and what frames the fields; generous. */
const WRITE_BYTES = 400;

/** What is about to be written; `data` null: a delete. */
export interface SizedWrite {
  readonly key: Key;
  readonly data: Readonly<Record<string, unknown>> | null;
}

/** Throws AppError LIMIT_EXCEEDED, before anything is sent, for a document or a commit that Firestore would refuse. */
export function checkSizes(writes: readonly SizedWrite[]): void {
  let total = 0;
  for (const { key, data } of writes) {
    const size = data === null ? 0 : documentBytes(key, data);
    if (size > DOCUMENT_BYTES) {
      throw new AppError(
        'LIMIT_EXCEEDED',
        `${keyText(key)} would have ${size} bytes; a document of Firestore has at most ${DOCUMENT_BYTES}`,
        { hint: 'Make the request smaller.', context: { size, limit: DOCUMENT_BYTES } },
      );
    }
    total += size + WRITE_BYTES;
  }
  if (total <= REQUEST_BYTES) return;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `${writes.length} writes would have about ${total} bytes; a commit to Firestore has at most ${REQUEST_BYTES}`,
    { hint: 'Make the request smaller.', context: { size: total, limit: REQUEST_BYTES } },
  );
}

/** The size of a document as Firestore counts it. */
export function documentBytes(key: Key, data: Readonly<Record<string, unknown>>): number {
  const name = 16 + textBytes(key.collection) + textBytes(documentId(key));
  return 32 + name + fieldsBytes(data);
}

function fieldsBytes(fields: object): number {
  return Object.entries(fields).reduce(
    (sum, [field, value]) => sum + textBytes(field) + valueBytes(value),
    0,
  );
}

function valueBytes(value: unknown): number {
  if (typeof value === 'string') return textBytes(value);
  if (typeof value === 'boolean' || value === null) return 1;
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + valueBytes(one), 0);
  // A map; a number or Firestore's own time.
  return isMap(value) ? fieldsBytes(value) : 8;
}

function isMap(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function textBytes(text: string): number {
  return Buffer.byteLength(text) + 1;
}
