import type { CommandSpec, OptionSpec } from '../commands/command.ts';

/** A flag taken apart. */
export interface Flag {
  readonly option: OptionSpec;
  /** One letter, without its dash. */
  readonly short: string | undefined;
  /** snake_case, without dashes. */
  readonly long: string;
  readonly takesValue: boolean;
}

/** The flags of a command, hidden ones included. */
export function flagsOf(command: Pick<CommandSpec, 'options'>): Flag[] {
  return command.options.map((option) => {
    const [, short, long, value] =
      /^(?:-(\w), )?--([a-z][a-z0-9_]*)(?: <([^>]+)>)?$/.exec(option.flags) ?? [];
    if (long === undefined)
      throw new Error(`Malformed flags in the command table: ${option.flags}`);
    return { option, short, long, takesValue: value !== undefined };
  });
}

/** The flag that a long name means; dashes inside count as underscores. */
export function findLong(flags: readonly Flag[], name: string): Flag | undefined {
  const canonical = name.replaceAll('-', '_');
  return flags.find((flag) => flag.long === canonical);
}
