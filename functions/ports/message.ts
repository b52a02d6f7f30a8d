/** Work that follows from a committed state. Delivered at least once, in any order; handlers are idempotent. */
export type Message =
  | { readonly kind: 'image'; readonly submissionId: string }
  | { readonly kind: 'expand'; readonly submissionId: string; readonly chunk: number }
  | { readonly kind: 'drain'; readonly lane: string }
  | { readonly kind: 'stop'; readonly submissionId: string };
