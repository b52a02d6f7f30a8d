import { AppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';
import { shellLine } from '../../shared/text/shell-quote.ts';
import type { CommandSpec } from '../commands/command.ts';
import { type Flag, findLong, flagsOf } from './flags.ts';
import { createOptionValues, type OptionValues } from './option-values.ts';

/** A command line taken apart. */
export interface CommandLine {
  readonly options: OptionValues;
  readonly words: readonly string[];
  readonly passed: readonly string[];
}

/** Whether the words ask for help: a help flag in front of the module or of `--`, not as the value of another flag. */
export function asksForHelp(command: CommandSpec, words: readonly string[]): boolean {
  return scan(command, words).help;
}

/** Parses the words after the command's name; throws USAGE. */
export async function parseCommandLine(
  command: CommandSpec,
  words: readonly string[],
): Promise<CommandLine> {
  const scanned = scan(command, words);
  if (scanned.problem !== undefined) throw scanned.problem;
  if (scanned.strays.length > 0) throw strayWords(command, words, scanned);
  const { Command, Option, Argument } = await import('commander');
  const parser = new Command(command.name)
    .exitOverride()
    .configureOutput({ writeOut() {}, writeErr() {} })
    .helpOption(false)
    .allowExcessArguments(false);
  for (const { option } of flagsOf(command)) {
    const made = new Option(option.flags, option.summary);
    if (option.repeats === true) made.argParser(collect);
    parser.addOption(made);
  }
  for (const { name } of command.arguments) parser.addArgument(new Argument(`<${name}>`));
  try {
    parser.parse([...scanned.flags, '--', ...scanned.words], { from: 'user' });
  } catch (error) {
    throw usageFrom(command, error);
  }
  return {
    options: createOptionValues(parser.opts()),
    words: parser.args,
    passed: scanned.passed,
  };
}

interface Scanned {
  /** Flags with canonical names, values attached where they were. */
  flags: string[];
  words: string[];
  /** Words between the module and `--`. */
  strays: string[];
  passed: readonly string[];
  help: boolean;
  problem: AppError | undefined;
}

// The walk knows which flags take a value, so it can tell a module from a value, and it sees flags as typed.
function scan(command: CommandSpec, words: readonly string[]): Scanned {
  const known = flagsOf(command);
  const found: Scanned = {
    flags: [],
    words: [],
    strays: [],
    passed: [],
    help: false,
    problem: undefined,
  };
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (word === '--') {
      takeRest(command, found, words.slice(index + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      found.words.push(word);
      if (command.passThrough !== true) continue;
      takeAfterModule(found, words.slice(index + 1));
      break;
    }
    index += takeFlag(command, known, { found, word, next: words[index + 1] });
  }
  return found;
}

function takeRest(command: CommandSpec, found: Scanned, rest: readonly string[]): void {
  if (command.passThrough === true) found.passed = rest;
  else found.words.push(...rest);
}

function takeAfterModule(found: Scanned, rest: readonly string[]): void {
  const end = rest.indexOf('--');
  found.strays = end === -1 ? [...rest] : rest.slice(0, end);
  found.passed = end === -1 ? [] : rest.slice(end + 1);
}

// Returns how many further words the flag took.
function takeFlag(
  command: CommandSpec,
  known: readonly Flag[],
  at: { found: Scanned; word: string; next: string | undefined },
): number {
  const { found, word, next } = at;
  if (['-h', '--help', '--helpfull'].includes(word)) {
    found.help = true;
    return 0;
  }
  const { flag, attached } = readFlag(known, word);
  if (flag === undefined) {
    found.problem ??= unknownFlag(command, known, word);
    return 0;
  }
  if (!flag.takesValue) {
    if (attached === undefined) found.flags.push(`--${flag.long}`);
    else found.problem ??= new AppError('USAGE', `--${flag.long} takes no value.`);
    return 0;
  }
  const value = attached ?? (next === '--' ? undefined : next);
  if (value === undefined) {
    found.problem ??= new AppError('USAGE', `${word} needs a value: ${flag.option.flags}.`);
    return 0;
  }
  found.problem ??= refusedChoice(flag, value);
  found.flags.push(`--${flag.long}=${value}`);
  return attached === undefined ? 1 : 0;
}

function refusedChoice({ long, option: { choices } }: Flag, value: string): AppError | undefined {
  if (choices === undefined || choices.includes(value)) return undefined;
  const near = didYouMean(value, choices);
  const all = choices.join(', ');
  return new AppError('USAGE', `--${long} cannot be ${value}.`, {
    hint: near === undefined ? `It can be: ${all}.` : `Did you mean --${long} ${near}?`,
  });
}

function readFlag(
  known: readonly Flag[],
  word: string,
): { flag: Flag | undefined; attached: string | undefined } {
  if (!word.startsWith('--')) {
    const flag = known.find(({ short }) => short === word[1]);
    return { flag, attached: word.length > 2 ? word.slice(2) : undefined };
  }
  const equals = word.indexOf('=');
  const name = equals === -1 ? word.slice(2) : word.slice(2, equals);
  return {
    flag: findLong(known, name),
    attached: equals === -1 ? undefined : word.slice(equals + 1),
  };
}

function unknownFlag(command: CommandSpec, known: readonly Flag[], word: string): AppError {
  const typed = word.split('=', 1)[0] ?? word;
  const names = known.filter(({ option }) => option.hidden !== true).map(({ long }) => long);
  const near = didYouMean(typed.replace(/^-+/, '').replaceAll('-', '_'), [...names, 'help']);
  const help = `caliban ${command.name} --help`;
  return new AppError('USAGE', `caliban ${command.name} has no flag ${typed}.`, {
    hint: near === undefined ? `See: ${help}` : `Did you mean --${near}? All flags: ${help}`,
  });
}

function strayWords(
  command: CommandSpec,
  words: readonly string[],
  { words: [module = ''], strays, passed }: Scanned,
): AppError {
  const end = words.indexOf('--') === -1 ? words.length : words.indexOf('--');
  const before = words.slice(0, end - strays.length - 1);
  const start = ['caliban', command.name, ...before];
  const many = strays.length > 1;
  const forProgram = `For your program: ${shellLine([...start, module, '--', ...strays, ...passed])}`;
  const rest = passed.length > 0 ? ['--', ...passed] : [];
  const inFront = shellLine([...start, ...strays, module, ...rest]);
  const known = flagsOf(command);
  const isFlag = (word: string): boolean =>
    word.startsWith('-') && readFlag(known, word).flag !== undefined;
  const forCaliban = strays.some(isFlag) ? [`For caliban, in front of the module: ${inFront}`] : [];
  return new AppError(
    'USAGE',
    `${shellLine(strays)} stand${many ? '' : 's'} between ${module} and \`--\`; what is meant for your program goes behind \`--\`.`,
    { hint: [forProgram, ...forCaliban].join('\n') },
  );
}

// Commander's own texts name neither the command nor the way out.
function usageFrom(command: CommandSpec, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const hint = `See: caliban ${command.name} --help`;
  if (error.code === 'commander.missingArgument') {
    const names = command.arguments.map(({ name }) => name).join(' ');
    return new AppError('USAGE', `caliban ${command.name} needs ${names}.`, { hint, cause: error });
  }
  if (error.code === 'commander.excessArguments') {
    const takes = command.arguments.length === 0 ? 'no words' : `only ${command.arguments.length}`;
    return new AppError('USAGE', `caliban ${command.name} takes ${takes} beside its flags.`, {
      hint,
      cause: error,
    });
  }
  const text = error.message.replace(/^error: /, '');
  return new AppError('USAGE', `${text}${text.endsWith('.') ? '' : '.'}`, { hint, cause: error });
}

function collect(value: string, previous: unknown): string[] {
  return Array.isArray(previous) ? [...previous, value] : [value];
}
