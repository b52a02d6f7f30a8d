/** Work that follows from a committed state. Delivered at least once, in any order; handlers are idempotent. */
export type Message =
  | { readonly kind: 'image'; readonly submissionId: string }
  | { readonly kind: 'expand'; readonly submissionId: string; readonly chunk: number }
  | { readonly kind: 'drain'; readonly lane: string }
  | { readonly kind: 'stop'; readonly submissionId: string }
  | { readonly kind: 'verify'; readonly diffId: string };

/** Every kind of message. */
export const MESSAGE_KINDS = [
  'stop',
  'verify',
  'image',
  'drain',
  'expand',
] as const satisfies readonly Message['kind'][];
