import type { Context } from '../lib/context.ts';

/** A flag of a command. */
export interface OptionSpec {
  /** As commander reads it: `-d, --dir <DIR>`; names are snake_case, a value has a place holder. */
  readonly flags: string;
  /** Lower-case, no full stop. */
  readonly summary: string;
  /** Heading of the help under which it stands; default `Options`. */
  readonly group?: string;
  /** May be given several times; values are collected in order. */
  readonly repeats?: true;
  readonly choices?: readonly string[];
  /** Left out of help and docs: only the CLI itself gives it. */
  readonly hidden?: true;
}

/** A word that is no flag. */
export interface ArgumentSpec {
  readonly name: string;
  readonly summary: string;
}

/** An example of the help. */
export interface ExampleSpec {
  readonly line: string;
  readonly summary: string;
}

/** A command as data: help and parsing come from it; its module is loaded only when it is chosen. */
export interface CommandSpec {
  /** One or two words: `cloud`, `endpoint set`. */
  readonly name: string;
  /** Lower-case, no full stop. */
  readonly summary: string;
  /** Paragraphs shown above the flags. */
  readonly about?: readonly string[];
  readonly arguments: readonly ArgumentSpec[];
  /** Takes `-- ARGS` for the user's program: then nothing else may follow the first argument. */
  readonly passThrough?: true;
  readonly options: readonly OptionSpec[];
  readonly examples?: readonly ExampleSpec[];
  /** Exit statuses beside 0, 2, 6 and 70, with their meaning. */
  readonly exits?: readonly (readonly [number, string])[];
  load(): Promise<{ readonly run: RunCommand }>;
}

/** Parses, calls, prints; resolves with the exit status. Throws AppError for expected failures. */
export type RunCommand = (ctx: Context) => Promise<number>;
