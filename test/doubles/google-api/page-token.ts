import { createHash } from 'node:crypto';
import { invalidArgument } from './api-status.ts';

/** The token of the page after an item. `query`: all that must stay the same from page to page; `last`: place of the item in the order. */
export function pageToken(query: object, last: readonly string[]): string {
  return Buffer.from(JSON.stringify([digest(query), ...last])).toString('base64url');
}

/** The place that a token tells, null for the first page. Throws ApiStatus INVALID_ARGUMENT for tokens of other queries, or of nobody. */
export function placeOf(token: string, query: object): readonly string[] | null {
  if (token === '') return null;
  try {
    const [of, ...last] = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (of === digest(query)) return last;
  } catch {
    throw invalidArgument('page_token is invalid.');
  }
  throw invalidArgument('page_token does not belong to these arguments.');
}

function digest(query: object): string {
  return createHash('sha256').update(JSON.stringify(query)).digest('base64url').slice(0, 16);
}
