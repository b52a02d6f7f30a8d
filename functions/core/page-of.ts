import type { Cursor, Page } from '../ports/store.ts';

/** Which part of a list a reader asks for. */
export interface PageRequest {
  /** 1 to 500. */
  readonly limit: number;
  readonly after: Cursor | undefined;
}

/** The store's page for a request. */
export function pageOf({ limit, after }: PageRequest): Page {
  return after === undefined ? { limit } : { limit, after };
}

/** The fields that are there: optional filters are left out, never undefined. */
export function present<T extends object>(
  fields: T,
): { [F in keyof T]?: Exclude<T[F], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  // The entries are those of T; TypeScript forgets their types in Object.entries.
  return Object.fromEntries(kept) as { [F in keyof T]?: Exclude<T[F], undefined> };
}
