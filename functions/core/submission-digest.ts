import { createHash } from 'node:crypto';
import type { SubmissionDoc } from '../ports/documents.ts';
import { hashOf } from './ids.ts';

/** What a submission's life or another version of caliban changes, and the digest itself. */
const CHANGES: ReadonlySet<string> = new Set([
  'schemaVersion',
  'expanded',
  'imageState',
  'run',
  'buildId',
  'imageWait',
  'openLane',
  'ending',
  'endingState',
  'endingCause',
  'stopRequestedAt',
  'digest',
] satisfies (keyof SubmissionDoc)[]);

/** Hash of everything of a submission that never changes: whoever computes it again sees whether something did. */
export function submissionDigest(submission: Omit<SubmissionDoc, 'digest'>): string {
  const lasting = Object.entries(submission).filter(([name]) => !CHANGES.has(name));
  return hashOf('accepted', JSON.stringify(Object.fromEntries(lasting), sortedKeys));
}

/** Hash of a config's text. */
export function configDigestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

// Not every store gives keys back in the order in which they were written.
function sortedKeys(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
