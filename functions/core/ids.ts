import { createHash } from 'node:crypto';

/** Ids are hashes: none sorts by time, and each can be computed again. 20 hex digits = 80 bits. */
const ID_LENGTH = 20;

/** Hash of a list of texts; no two different lists are joined alike. */
export function hashOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Names are unique per owner. */
export function groupIdOf(owner: string, name: string): string {
  return hashOf('group', owner, name).slice(0, ID_LENGTH);
}

/** The same principal and Idempotency-Key are the same submission. */
export function submissionIdOf(principal: string, idempotencyKey: string): string {
  return hashOf('submission', principal, idempotencyKey).slice(0, ID_LENGTH);
}

/** Identity of an experiment: see design's word list. `flags` in canonical form; the code is not part of it. */
export function experimentIdOf(parts: {
  readonly groupId: string;
  readonly module: string;
  readonly scriptArgs: readonly string[];
  readonly flags: string;
  readonly environment: string;
  readonly mode: string;
}): string {
  const { groupId, module, scriptArgs, flags, environment, mode } = parts;
  return hashOf(
    'experiment',
    groupId,
    module,
    JSON.stringify(scriptArgs),
    flags,
    environment,
    mode,
  ).slice(0, ID_LENGTH);
}

/** Job ids of one submission have one width, so that they sort by index. */
export function jobIdOf(submissionId: string, index: number, count: number): string {
  const width = String(Math.max(count - 1, 0)).length;
  return `${submissionId}-${String(index).padStart(width, '0')}`;
}

/** The record of one chunk of a submission. */
export function chunkIdOf(submissionId: string, chunk: number): string {
  return `${submissionId}-${chunk}`;
}

/** Sorts by acceptance, then submission, then index. */
export function orderOf(acceptedAt: number, jobId: string): string {
  return `${String(acceptedAt).padStart(14, '0')}-${jobId}`;
}

/** The job in an {@link orderOf}. */
export function jobIdOfOrder(order: string): string {
  return order.slice(order.indexOf('-') + 1);
}
