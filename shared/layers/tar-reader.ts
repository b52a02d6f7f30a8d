import { layerInvalid } from './layer-errors.ts';
import { type PaxRecords, parsePaxRecords } from './pax-records.ts';
import { isZeros, parseTarHeader, TAR_BLOCK, type TarHeader, tarPadding } from './tar-header.ts';
import { decodeName, shownName } from './tar-name.ts';

/** One entry of a tar. A directory's path has no trailing slash. `size` is 0 but for files. */
export interface TarEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink';
  /** Where a link points; '' for all else. */
  readonly linkTarget: string;
  readonly size: number;
  readonly executable: boolean;
}

/** What a reader saw, in order: an entry, then the content of it when it is a file, in pieces of any size. */
export type TarEvent =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'content'; readonly bytes: Uint8Array };

/** Reads a tar that arrives in pieces. */
export interface TarReader {
  /** Everything that this piece completes. `bytes` of the events are views into the piece. Throws AppError LAYER_INVALID. */
  push(piece: Uint8Array): TarEvent[];
  /** To be called after the last piece. Throws AppError LAYER_INVALID when the archive is cut. */
  end(): void;
}

/** What extension headers said about the entry that follows. */
interface Overrides {
  readonly pax?: PaxRecords;
  readonly longName?: string;
  readonly longLink?: string;
}

type ExtensionKind = keyof Overrides;

interface Extension {
  readonly kind: ExtensionKind;
  readonly bytes: Uint8Array;
  filled: number;
}

/** Names are at most 4096 bytes (layer-rules.ts); room for two and the rest of a header. */
const MAX_EXTENSION_BYTES = 16 * 1024;
const LARGEST_OCTAL_SIZE = 8 ** 11 - 1;
const EXTENSIONS: Readonly<Record<string, ExtensionKind>> = {
  x: 'pax',
  L: 'longName',
  K: 'longLink',
};
const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};
const REFUSED: Readonly<Record<string, string>> = {
  '3': 'is a character device',
  '4': 'is a block device',
  '6': 'is a named pipe (fifo)',
  S: 'is a GNU sparse file',
  g: 'is a global pax header',
};

interface ReaderState {
  readonly block: Uint8Array;
  blockFilled: number;
  contentLeft: number;
  paddingLeft: number;
  extension: Extension | undefined;
  overrides: Overrides;
  zeroBlocks: number;
  current: string;
}

/**
 * A strict push parser: ustar, pax (per entry) and GNU long names, at most 16 KiB of each. It reads structure only;
 * whether a path is safe is the business of layer-rules.ts. Holds one block and one extension header in memory.
 */
export function createTarReader(): TarReader {
  const state: ReaderState = {
    block: new Uint8Array(TAR_BLOCK),
    blockFilled: 0,
    contentLeft: 0,
    paddingLeft: 0,
    extension: undefined,
    overrides: {},
    zeroBlocks: 0,
    current: '',
  };
  return {
    push(piece) {
      const events: TarEvent[] = [];
      let offset = 0;
      while (offset < piece.length) offset += step(state, piece.subarray(offset), events);
      return events;
    },
    end: () => checkEnd(state),
  };
}

/** Consumes at least one byte; returns how many. */
function step(state: ReaderState, bytes: Uint8Array, events: TarEvent[]): number {
  if (state.contentLeft > 0) return takeContent(state, bytes, events);
  if (state.paddingLeft > 0) {
    const skipped = Math.min(state.paddingLeft, bytes.length);
    state.paddingLeft -= skipped;
    return skipped;
  }
  const taken = bytes.subarray(0, TAR_BLOCK - state.blockFilled);
  state.block.set(taken, state.blockFilled);
  state.blockFilled += taken.length;
  if (state.blockFilled === TAR_BLOCK) takeBlock(state, events);
  return taken.length;
}

function takeContent(state: ReaderState, bytes: Uint8Array, events: TarEvent[]): number {
  const content = bytes.subarray(0, state.contentLeft);
  const { extension } = state;
  state.contentLeft -= content.length;
  if (extension === undefined) {
    events.push({ kind: 'content', bytes: content });
    return content.length;
  }
  extension.bytes.set(content, extension.filled);
  extension.filled += content.length;
  if (state.contentLeft === 0) {
    state.overrides = { ...state.overrides, [extension.kind]: parseExtension(extension) };
    state.extension = undefined;
  }
  return content.length;
}

function takeBlock(state: ReaderState, events: TarEvent[]): void {
  state.blockFilled = 0;
  if (isZeros(state.block)) {
    if (!isEmpty(state.overrides)) throw layerInvalid('its last header has no entry');
    state.zeroBlocks++;
    return;
  }
  if (state.zeroBlocks > 0) throw layerInvalid('it goes on behind its end');
  const header = parseTarHeader(state.block);
  const extension = EXTENSIONS[header.type];
  if (extension === undefined) takeEntry(state, header, events);
  else beginExtension(state, header, extension);
  state.paddingLeft = tarPadding(state.contentLeft);
}

function beginExtension(state: ReaderState, header: TarHeader, kind: ExtensionKind): void {
  checkExtension(header, kind, state.overrides);
  state.extension = { kind, bytes: new Uint8Array(header.size), filled: 0 };
  state.contentLeft = header.size;
}

function takeEntry(state: ReaderState, header: TarHeader, events: TarEvent[]): void {
  const entry = toEntry(header, state.overrides);
  state.overrides = {};
  state.contentLeft = entry.size;
  state.current = entry.path;
  events.push({ kind: 'entry', entry });
}

function checkEnd(state: ReaderState): void {
  if (state.contentLeft > 0) throw layerInvalid('the archive ends inside it', state.current);
  if (state.blockFilled > 0 || state.zeroBlocks < 2) {
    throw layerInvalid('it is no whole tar archive: the two zero blocks at its end are missing');
  }
}

function isEmpty(overrides: Overrides): boolean {
  return Object.keys(overrides).length === 0;
}

function parseExtension(extension: Extension): PaxRecords | string {
  if (extension.kind === 'pax') return parsePaxRecords(extension.bytes);
  const { bytes } = extension;
  return decodeName(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes);
}

function checkExtension(header: TarHeader, kind: ExtensionKind, before: Overrides): void {
  const isMixed = kind === 'pax' ? !isEmpty(before) : before.pax !== undefined;
  if (isMixed || before[kind] !== undefined) {
    throw layerInvalid('two extension headers describe the same entry', shownName(header.name));
  }
  if (header.size >= 1 && header.size <= MAX_EXTENSION_BYTES) return;
  throw layerInvalid(
    `its extension header has ${header.size} bytes, the limit is ${MAX_EXTENSION_BYTES}`,
    shownName(header.name),
  );
}

function toEntry(header: TarHeader, overrides: Overrides): TarEntry {
  const { pax } = overrides;
  const path = pax?.path ?? overrides.longName ?? decodeName(header.name);
  const kind = KINDS[header.type];
  if (kind === undefined) {
    const type = REFUSED[header.type] ?? `has the unknown type ${JSON.stringify(header.type)}`;
    throw layerInvalid(`it ${type}; only files, directories and links are accepted`, path);
  }
  const size = effectiveSize(header, pax, path);
  if (kind !== 'file' && size !== 0) throw layerInvalid(`it is a ${kind} with content`, path);
  const isLink = kind === 'symlink' || kind === 'hardlink';
  return {
    path: kind === 'directory' && path.endsWith('/') ? path.slice(0, -1) : path,
    kind,
    linkTarget: isLink ? (pax?.linkpath ?? overrides.longLink ?? decodeName(header.linkName)) : '',
    size,
    executable: (header.mode & 0o100) !== 0,
  };
}

/** A pax size counts only where the header has no room for it; else two readers could disagree where the next entry begins. */
function effectiveSize(header: TarHeader, pax: PaxRecords | undefined, path: string): number {
  const size = pax?.size ?? header.size;
  if (size === header.size || size > LARGEST_OCTAL_SIZE) return size;
  throw layerInvalid(`it has two sizes, ${header.size} and ${size}`, path);
}
