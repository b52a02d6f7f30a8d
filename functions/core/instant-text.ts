/** An instant (UTC ms) as RFC 3339 text. */
export function instantText(at: number): string {
  return new Date(at).toISOString();
}

/** An instant as text, or null for what did not happen yet. */
export function instantOrNull(at: number | null): string | null {
  return at === null ? null : instantText(at);
}
