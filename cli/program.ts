import { AppError } from '../shared/errors/app-error.ts';
import { EXIT } from '../shared/errors/catalog.ts';
import { didYouMean } from '../shared/errors/did-you-mean.ts';
import type { CommandSpec } from './commands/command.ts';
import { COMMANDS } from './commands/index.ts';
import { asksForHelp, parseCommandLine } from './lib/command-line.ts';
import { dataDirectory } from './lib/env.ts';
import { reportFailure } from './lib/errors.ts';
import { commandHelp, familyHelp, programHelp } from './lib/help.ts';
import type { Io, OutputStream } from './lib/io.ts';
import { createOutput, type Output } from './lib/output.ts';
import { VERSION } from './lib/version.ts';

const DEFAULT_WIDTH = 80;

/** Runs one command line (without program name) and gives its exit status; never throws. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const out = createOutput(io);
  try {
    return await dispatch(argv, io, out);
  } catch (error) {
    const end = argv.indexOf('--');
    const json = (end === -1 ? argv : argv.slice(0, end)).includes('--json');
    return await reportFailure(error, { io, out, json });
  }
}

async function dispatch(argv: readonly string[], io: Io, out: Output): Promise<number> {
  const [first] = argv;
  if (first === undefined) {
    out.note(programHelp(COMMANDS, widthOf(io.stderr)).trimEnd());
    return EXIT.usage;
  }
  if (first === '--version') {
    await out.line(`caliban ${VERSION}`);
    return 0;
  }
  if (first === 'help' || isHelpFlag(first)) return showHelp(argv.slice(1), io, out);
  if (isHelpFlag(argv[1]) && argv.length === 2) return showHelp([first], io, out);
  const { command, words } = chooseCommand(argv);
  if (asksForHelp(command, words)) {
    await out.raw(commandHelp(command, widthOf(io.stdout)));
    return 0;
  }
  const parsed = await parseCommandLine(command, words);
  const { run } = await command.load();
  return run({
    io,
    out,
    ...parsed,
    json: parsed.options.isSet('json'),
    dataDir: dataDirectory(io, parsed.options.text('data_dir')),
  });
}

async function showHelp(words: readonly string[], io: Io, out: Output): Promise<number> {
  const width = widthOf(io.stdout);
  const [first, second] = words;
  const family = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (first === undefined) await out.raw(programHelp(COMMANDS, width));
  else if (family.length > 0 && second === undefined)
    await out.raw(familyHelp(first, family, width));
  else await out.raw(commandHelp(chooseCommand(words).command, width));
  return 0;
}

function widthOf({ isTTY, columns = DEFAULT_WIDTH }: OutputStream): number {
  return isTTY === true && columns > 0 ? columns : DEFAULT_WIDTH;
}

function isHelpFlag(word: string | undefined): boolean {
  return word === '-h' || word === '--help' || word === '--helpfull';
}

function chooseCommand(argv: readonly string[]): { command: CommandSpec; words: string[] } {
  const [first = '', second = ''] = argv;
  const whole = COMMANDS.find(({ name }) => name === first);
  if (whole !== undefined) return { command: whole, words: argv.slice(1) };
  const pair = COMMANDS.find(({ name }) => name === `${first} ${second}`);
  if (pair !== undefined) return { command: pair, words: argv.slice(2) };
  throw unknownCommand(first, second);
}

// What users of the original type from habit.
const NOT_YET = new Set(['run', 'shell', 'notebook', 'build', 'cluster', 'resubmit']);

function unknownCommand(first: string, second: string): AppError {
  if (NOT_YET.has(first)) {
    return new AppError('USAGE', `caliban ${first} is not part of this version yet.`, {
      hint: 'The same script runs through the service on this machine with: caliban cloud\nSee: caliban cloud --help',
    });
  }
  const siblings = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  const [typed, candidates] =
    siblings.length > 0
      ? [`${first} ${second}`.trim(), siblings.map(({ name }) => name)]
      : [first, COMMANDS.map(({ name }) => name.split(' ', 1)[0] ?? name)];
  const near = didYouMean(typed, candidates);
  const all = [...new Set(candidates)].join(', ');
  return new AppError('USAGE', `There is no command "${typed}".`, {
    hint: near === undefined ? `Commands: ${all}.` : `Did you mean: caliban ${near}`,
  });
}
