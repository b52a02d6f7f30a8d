import type { ExperimentConfig } from '../../shared/experiments/config-model.ts';

/** Most bytes of the documents of one chunk: stores take a commit of 4 MiB, of which other things are part too. */
const CHUNK_BYTES = 3 * 1024 * 1024;
/** What an experiment and its job have besides arguments, flags and labels. */
const FIXED_BYTES = 4 * 1024;
/** An experiment and its job each hold the flags and labels, as facets too, which a store may keep beside the document. */
const COPIES = 6;

/**
 * How many experiments are created in one commit: `most`, or fewer where arguments or flag values are long. At least one, whose documents
 * a store may still refuse.
 */
export function chunkSizeOf(
  most: number,
  from: {
    readonly scriptArgs: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
    readonly configText: string;
    readonly config: ExperimentConfig;
  },
): number {
  const fixed = FIXED_BYTES + sizeOf(from.scriptArgs) + COPIES * sizeOf(from.labels);
  const sizeWith = (flags: number) => Math.floor(CHUNK_BYTES / (fixed + COPIES * flags));
  // The flags of one experiment are never longer than the whole text: of a short one nothing has to be measured.
  const atLeast = sizeWith(Buffer.byteLength(from.configText));
  if (atLeast >= most) return most;
  return Math.max(1, Math.min(most, sizeWith(longestFlags(from.config))));
}

function longestFlags({ sweeps }: ExperimentConfig): number {
  return sweeps.reduce((longest, { flags, dimensions }) => {
    const names = flags.reduce((sum, { name }) => sum + Buffer.byteLength(name), 0);
    const values = dimensions.reduce((sum, { rows }) => sum + longestOf(rows), 0);
    return Math.max(longest, names + values);
  }, 0);
}

function longestOf(rows: readonly unknown[]): number {
  return rows.reduce<number>((longest, row) => {
    return Math.max(longest, sizeOf(row));
  }, 0);
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '');
}
