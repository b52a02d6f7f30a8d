/** What a dependency image (or virtualenv) is made from, as sent by the CLI. */
export interface DependencySpec {
  /** Base image reference as text; null: the service's default. */
  readonly base: string | null;
  readonly apt: readonly string[];
  readonly python: string | null;
  readonly extras: readonly string[];
  /** Layer that holds the dependency files; null when there is none. */
  readonly layer: string | null;
  /** Path of requirements.txt inside that layer, or null. */
  readonly requirements: string | null;
}

/** What to prepare, and the mode it is for: the service's own base images may differ by it. */
export interface DependencyRequest extends DependencySpec {
  readonly mode: 'cpu' | 'gpu';
}

/** What dependencies make, and whether that is there. */
export interface DependencyPlan {
  readonly key: string;
  readonly ready: boolean;
  /** Reference of the dependency image once it is ready; null: no image, a virtualenv with this key. */
  readonly image: string | null;
}

/** Where a build stands. `failedAt`: UTC ms, by the builder's clock. */
export type BuildProgress =
  | { readonly state: 'absent' }
  | { readonly state: 'building' }
  | { readonly state: 'ready' }
  | {
      readonly state: 'failed';
      readonly message: string;
      readonly hint: string | null;
      readonly retryable: boolean;
      readonly failedAt: number;
    };

/** Prepares dependencies, once per key. Every implementation passes test/contract/image-builder.ts. */
export interface ImageBuilder {
  /**
   * The key of what these dependencies make (base resolved now), and whether that is there already.
   * `null`: nothing to prepare, and no image either. Throws AppError BUILD_FAILED, PYTHON_MISSING, PLATFORM_UNSUPPORTED,
   * UNAVAILABLE.
   */
  plan(dependencies: DependencyRequest): Promise<DependencyPlan | null>;
  /** Starts the build of a key; nothing while the attempt runs, and when what it makes is there. One that is over begins anew. */
  start(build: {
    readonly key: string;
    readonly attempt: number;
    readonly dependencies: DependencyRequest;
  }): Promise<void>;
  /**
   * Where the attempt stands; `absent` after a crash that lost it, and when nobody asked for it for long: then it may also be ended.
   * Throws AppError UNAVAILABLE.
   */
  poll(key: string, attempt: number): Promise<BuildProgress>;
  /** Ends a running build; nothing when it is over. */
  cancel(key: string, attempt: number): Promise<void>;
  /** The build log from an offset (bytes), and where to go on. */
  readLog(key: string, offset: number): Promise<{ readonly text: string; readonly next: number }>;
}
