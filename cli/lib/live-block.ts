import { stripVTControlCharacters } from 'node:util';
import type { OutputStream } from './io.ts';

/** Lines at the bottom of a terminal that are drawn again and again. */
export interface LiveBlock {
  /** Replaces what was drawn before. */
  draw(lines: readonly string[]): void;
  /** Removes it. */
  clear(): void;
}

/** A block on a terminal; lines are cut to its width, so that each takes one row. */
export function createLiveBlock(stream: OutputStream): LiveBlock {
  let height = 0;
  const erase = (): string => (height === 0 ? '' : `\u001B[${height}A\u001B[0J`);
  return {
    draw(lines) {
      const { rows, columns } = sizeOf(stream);
      const shown = lines.slice(0, rows - 1).map((line) => cutToWidth(line, columns));
      stream.write(`${erase()}${shown.join('\n')}\n`);
      height = shown.length;
    },
    clear() {
      stream.write(erase());
      height = 0;
    },
  };
}

/** Rows and columns of a terminal; one that says nothing, or zero, counts as 24 by 80. */
export function sizeOf({ rows, columns }: OutputStream): { rows: number; columns: number } {
  return { rows: Math.max(2, rows || 24), columns: columns || 80 };
}

/** A bar of a fixed width, filled by a fraction between 0 and 1. */
export function progressBar(fraction: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
}

/** Bytes for people: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** A duration for people: `42 s`, `3 min`, `1 h 20 min`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Colour codes take no room; a line that must be cut loses them, so that none is left open.
function cutToWidth(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < columns ? line : plain.slice(0, columns - 1);
}
