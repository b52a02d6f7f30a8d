/** A layer to send: its tar, and how long that is. */
export interface SentLayer {
  readonly diffId: string;
  readonly size: number;
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}
