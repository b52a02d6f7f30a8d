import { parseExperimentConfig } from '../../shared/experiments/config-model.ts';
import { expansionText } from '../../shared/experiments/expansion-text.ts';

/** What `expansion` needs from the program around it. */
export interface ExpansionIo {
  /** The text of a file, or of standard input for `stdin`. */
  readText(source: string): Promise<string>;
  /** Writes to standard output; resolves when more can be taken, with false when the reader is gone. */
  write(text: string): Promise<boolean>;
}

/** The command's flags; `printFlags` wins. */
export interface ExpansionOptions {
  readonly pprint: boolean;
  readonly printFlags: boolean;
}

/**
 * Prints the experiments of a config, in constant memory beyond the config itself; stops at once when the
 * reader is gone. Throws CONFIG_SYNTAX or CONFIG_INVALID before anything is written.
 */
export async function runExpansion(
  io: ExpansionIo,
  source: string,
  options: ExpansionOptions,
): Promise<void> {
  const config = parseExperimentConfig(await io.readText(source));
  for (const chunk of expansionText(config, formatOf(options))) {
    if (!(await io.write(chunk))) return;
  }
}

function formatOf({ pprint, printFlags }: ExpansionOptions) {
  if (printFlags) return 'flags';
  return pprint ? 'pretty' : 'json';
}
