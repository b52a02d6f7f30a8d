/** A base image, resolved. */
export interface BaseImage {
  /** As asked for. */
  readonly reference: string;
  /** A reference of the same image that cannot move. */
  readonly pinned: string;
  readonly digest: string;
}
