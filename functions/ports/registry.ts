/** What a reference stands for now. `pending`: it is being fetched, ask again. */
export type ImageLookup =
  | { readonly state: 'found'; readonly digest: string }
  | { readonly state: 'pending' }
  | { readonly state: 'absent'; readonly message: string; readonly hint: string | null };

/** A run image: code on top of a dependency image, and what it starts. */
export interface RunImage {
  /** Reference or digest of the image below; it brings working directory, user and environment. */
  readonly base: string;
  /** Verified code layers (diff ids) in the order in which they are laid. */
  readonly layers: readonly string[];
  /** Words before the job's own arguments. */
  readonly entrypoint: readonly string[];
}

/** Images by digest. Every implementation passes test/contract/registry.ts. */
export interface Registry {
  /** Looks a reference up, and fetches it where jobs can only run what is here. Throws AppError UNAVAILABLE. */
  resolve(reference: string): Promise<ImageLookup>;
  /**
   * Appends the layers and sets the entry point, without a build and without starting anything. The same input makes the
   * same digest; what is there already is not sent again. Throws AppError BUILD_FAILED (the base is gone, or is no image
   * that layers can be appended to), LAYER_MISSING, UNAVAILABLE.
   */
  append(image: RunImage): Promise<{ readonly digest: string }>;
}
