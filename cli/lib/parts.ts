import type { BackupRequest, BackupView } from '../../functions/embedded/backup.ts';
import type { OfflineService } from '../../functions/embedded/offline.ts';
import type { RunningServe, ServeOptions } from '../../functions/embedded.ts';
import type { DependencySpec } from './submission.ts';

/** How a layer's bytes are stored once spooled to a file. */
export interface SpooledLayer {
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly encoding: 'gzip' | 'zstd' | 'identity';
}

/** One reproducible tar; `diffId` is the hex sha256 of its uncompressed bytes. */
export interface PackedLayer {
  readonly diffId: string;
  readonly uncompressedSize: number;
  /** Writes the bytes to upload to a temporary file; called only for layers that the service lacks. */
  spool(): Promise<SpooledLayer>;
}

/** What a module word stands for. */
export interface ModulePlan {
  /** Below /usr/app. */
  readonly scriptPath: string;
  /** Words that start the program, before its arguments. */
  readonly command: readonly string[];
}

/** What to pack. */
export interface PackRequest {
  /** The build context: the folder the user is in. */
  readonly contextDir: string;
  /** Where packing remembers what it has read; made when needed. */
  readonly cacheDir: string;
  /** A directory that never goes up, wherever it is: it holds a token and changes while it is packed. */
  readonly dataDir?: string;
  readonly module: string;
  readonly extraDirs: readonly string[];
  readonly extras: readonly string[];
  readonly mode: 'cpu' | 'gpu';
  readonly signal: AbortSignal;
  /** Lines for the user: what is large, what is left out. */
  note(line: string): void;
}

/** A packed source tree, ready to be sent. */
export interface PackedSource extends ModulePlan {
  /** Everything that may have to be uploaded: code layers and the dependency layer. */
  readonly layers: readonly PackedLayer[];
  /** Ids of the code layers in the order in which they go into the image. */
  readonly codeLayers: readonly string[];
  readonly dependencies: DependencySpec;
}

/** Packing, as `cloud` uses it. */
export interface Packer {
  /** Throws MODULE_NOT_FOUND. */
  resolveModule(contextDir: string, module: string): Promise<ModulePlan>;
  /** Throws MODULE_NOT_FOUND, PACK_REFUSED. */
  pack(request: PackRequest): Promise<PackedSource>;
  /** A layer that holds the text as `config.json`, for configs over the inline limit. */
  packConfig(text: string): Promise<PackedLayer>;
  /** Removes spooled files. */
  dispose(): Promise<void>;
}

/** The one-machine service, loaded only by what needs it. */
export interface Host {
  /** Throws SERVICE_LOCKED when another one holds the data directory, SERVE_REFUSED, DATA_DIR_UNUSABLE. */
  runServe(options: ServeOptions): Promise<RunningServe>;
  /** Null when the directory holds no records. */
  offline(dataDir: string): Promise<OfflineService | null>;
}

/** The parts of the program that the CLI joins; each is loaded by the command that needs it. */
export interface Parts {
  packer(): Promise<Packer>;
  host(): Promise<Host>;
  /** Copies a data directory, whether a service runs there or not. Throws USAGE, NO_SERVICE, DATA_DIR_UNUSABLE, DISK_FULL. */
  backup(): Promise<(request: BackupRequest) => Promise<BackupView>>;
}
