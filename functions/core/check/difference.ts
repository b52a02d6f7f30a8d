import type { DifferenceKind, DifferenceView } from '../../../shared/api/check.ts';
import type { Collection } from '../../ports/documents.ts';
import type { Key, Stored } from '../../ports/store.ts';
import { keyText } from '../../ports/store-rules.ts';

/** One thing that is not as it should be, and the versions of the documents that say so. */
export interface Difference extends DifferenceView {
  readonly kind: DifferenceKind;
  readonly basis: readonly string[];
}

/** What heals without anybody's help, once a service runs. */
export const HEALS =
  'A running service repairs this by itself within seconds: check again. If it stays, see its log.';
/** What only an older state of the records can bring back. */
export const LOST =
  'The records were damaged outside caliban: restore a backup, or go on without what is missing.';

/** A document's key and version as text. */
export function versionOf(stored: Stored<Collection>): string {
  return `${keyText(stored.key)}@${stored.version}`;
}

/** A key that has no document, as text. */
export function absenceOf(key: Key): string {
  return `${keyText(key)}@none`;
}

/** What was found at both looks: the same words about the same versions. */
export function confirmed(
  first: readonly Difference[],
  second: readonly Difference[],
): readonly Difference[] {
  const before = new Set(first.map(identityOf));
  return second.filter((difference) => before.has(identityOf(difference)));
}

function identityOf({ kind, subject, found, basis }: Difference): string {
  return JSON.stringify([kind, subject, found, basis]);
}
