/** How a stored blob is compressed. The key of a layer is always the sha256 of the uncompressed tar. */
export type LayerEncoding = 'gzip' | 'zstd' | 'identity';

/** What an uploader promises before it sends a byte. All of it is checked. */
export interface LayerDeclaration {
  /** Bare hex sha256 of the uncompressed tar. */
  readonly diffId: string;
  /** Bytes of the blob as sent. */
  readonly blobSize: number;
  readonly encoding: LayerEncoding;
  /** Bytes of the tar. */
  readonly uncompressedSize: number;
}

/** A stored, verified layer. `blobDigest`: bare hex sha256 of the blob as stored. */
export interface StoredLayer extends LayerDeclaration {
  readonly blobDigest: string;
}

/**
 * Where a layer stands. `complete`: all bytes are there, not yet verified; accept takes it, the image step
 * waits. `failed`: verification refused it; a new upload may begin.
 */
export type LayerState =
  | { readonly state: 'missing' }
  | { readonly state: 'complete' }
  | { readonly state: 'verified'; readonly layer: StoredLayer }
  | { readonly state: 'failed'; readonly reason: string };

/** Content-addressed source layers. Every implementation passes test/contract/layer-store.ts. */
export interface LayerStore {
  /** State of each layer, in order. At most 500. */
  check(diffIds: readonly string[]): Promise<LayerState[]>;
  /**
   * Opens, or finds again, the upload session of a layer; a `verified` one needs none. Returns the address that bytes
   * are PUT to with Content-Range, or null: to this service's own route. A declaration that differs from an open session's
   * replaces it, unless the layer is `complete` on a host that verifies later: its verification decides, and nothing has to be
   * sent (null). Throws AppError LIMIT_EXCEEDED.
   */
  begin(declaration: LayerDeclaration): Promise<{ readonly uploadUrl: string | null }>;
  /**
   * Ends an upload. `verified`: checked and published under its key, staging gone. `complete`: a verification follows.
   * Verification streams once, stops at the declared size, checks digest, size and every path (no `..`, no absolute path,
   * no link that leaves, no device, no duplicate entry). Idempotent. Throws AppError LAYER_INVALID (the staging bytes are
   * deleted; the layer is `failed`), UPLOAD_NOT_FOUND, UPLOAD_CONFLICT when bytes are missing.
   */
  complete(diffId: string): Promise<'verified' | 'complete'>;
  /**
   * The verification that follows when `complete` said `complete`; nothing for a layer that is verified. Idempotent, also when several
   * do it at once. Throws what a verifying `complete` throws, and AppError UNAVAILABLE.
   */
  verify(diffId: string): Promise<void>;
  /** The uncompressed tar of a verified layer. Throws AppError LAYER_MISSING. */
  open(diffId: string): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Reads the stored blob of a verified layer again and checks it as `complete` did, and its digest: what is wrong with it, or null.
   * Throws AppError LAYER_MISSING.
   */
  reverify(diffId: string): Promise<string | null>;
  /** One file of a verified layer, by its path inside, or undefined. Throws AppError LAYER_MISSING, LIMIT_EXCEEDED. */
  readFile(diffId: string, path: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

/** Bytes of a Content-Range header: inclusive first and last byte (undefined: a status query), and the whole size. */
export interface UploadRange {
  readonly bytes: { readonly first: number; readonly last: number } | undefined;
  readonly total: number;
}

/** The receiving end of resumable uploads, on a host that takes the bytes itself (one machine). */
export interface UploadSink {
  /**
   * Appends bytes at `range.bytes.first`, which must not be beyond what is there (what is there already is
   * skipped), or answers a status query. A broken body keeps what arrived. Returns how many bytes are
   * durably there. Throws AppError UPLOAD_NOT_FOUND, UPLOAD_CONFLICT, LIMIT_EXCEEDED, REQUEST_INVALID.
   */
  receive(
    diffId: string,
    range: UploadRange,
    body: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly received: number }>;
}
