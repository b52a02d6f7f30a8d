/** One entry of a layer's tar. `path` is its name there, without a trailing slash. */
export type TreeEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | FileEntry
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string };

export interface FileEntry {
  readonly kind: 'file';
  readonly path: string;
  /** Where its bytes are, relative to the build context. */
  readonly from: string;
  /** Bytes when the tree was walked; another size while packing is an error. */
  readonly size: number;
  readonly executable: boolean;
  /** What changes whenever its bytes do; without it the file is read every time. */
  readonly stamp?: FileStamp;
}

/** When and where a file was last written, as the file system has it. */
export interface FileStamp {
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** Nanoseconds since 1970; unlike mtime no program can set it back. */
  readonly ctimeNs: bigint;
  readonly ino: bigint;
}

/** What one layer holds, before any file was opened. */
export interface LayerTree {
  /** The directory it was made from, relative to the build context; for messages. */
  readonly root: string;
  /** Absolute, without symbolic links. */
  readonly contextDir: string;
  /** Sorted by the bytes of their names in the tar, so a directory comes before what it holds. */
  readonly entries: readonly TreeEntry[];
}

/** Entries in the one order that makes a layer reproducible: by the bytes of their names. */
export function inTarOrder(entries: readonly TreeEntry[]): TreeEntry[] {
  const keyed = entries.map((entry) => ({ entry, name: tarName(entry) }));
  // UTF-16 sorts as UTF-8 does but for what is behind the surrogates.
  const isPlain = keyed.every(({ name }) => !/[\uD800-\uFFFF]/.test(name));
  const compare = isPlain
    ? (a: Keyed, b: Keyed) => (a.name < b.name ? -1 : Number(a.name > b.name))
    : (a: Keyed, b: Keyed) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
  return keyed.sort(compare).map(({ entry }) => entry);
}

interface Keyed {
  readonly entry: TreeEntry;
  readonly name: string;
}

/** The name of an entry in the tar: directories end in a slash. */
export function tarName(entry: TreeEntry): string {
  return entry.kind === 'directory' ? `${entry.path}/` : entry.path;
}
