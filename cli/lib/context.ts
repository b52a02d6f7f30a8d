import type { Io } from './io.ts';
import type { OptionValues } from './option-values.ts';
import type { Output } from './output.ts';

/** What a command gets. */
export interface Context {
  readonly io: Io;
  readonly out: Output;
  readonly options: OptionValues;
  /** Words of the command, without those behind `--`. */
  readonly words: readonly string[];
  /** Words behind `--`, for the user's program. */
  readonly passed: readonly string[];
  /** Whether data goes out as JSON. */
  readonly json: boolean;
  /** Absolute. */
  readonly dataDir: string;
}
