import { EXIT } from '../../shared/errors/catalog.ts';
import type { CommandSpec } from '../commands/command.ts';
import { flagsOf } from './flags.ts';
import { alignColumns, wrapText } from './table.ts';

/** The help of the whole program. */
export function programHelp(commands: readonly CommandSpec[], width: number): string {
  return [
    ...wrapText(
      'caliban: run a training script, or a sweep of thousands, with one word changed.',
      width,
    ),
    '',
    'Usage: caliban COMMAND [flags]',
    '',
    'Commands:',
    ...alignColumns(
      commands.map(({ name, summary }) => [name, summary]),
      { indent: 2, width },
    ),
    '',
    'A sweep in one line, and what became of it:',
    '  caliban cloud --experiment_config sweep.json train.py -- --epochs 2',
    '  caliban status',
    '',
    ...wrapText('Flags of a command: caliban COMMAND --help. Version: caliban --version.', width),
    '',
  ].join('\n');
}

/** The help of commands that share their first word. */
export function familyHelp(word: string, commands: readonly CommandSpec[], width: number): string {
  const rows = commands.map((command) => [usageLine(command), command.summary]);
  return [`caliban ${word}:`, ...alignColumns(rows, { indent: 2, width }), ''].join('\n');
}

/** The help of one command. */
export function commandHelp(command: CommandSpec, width: number): string {
  const sections = [
    wrapText(`caliban ${command.name}: ${command.summary}`, width).join('\n'),
    wrapText(`Usage: ${usageLine(command)}`, width).join('\n'),
    ...(command.about ?? []).map((text) => wrapText(text, width).join('\n')),
    argumentsSection(command, width),
    ...optionSections(command, width),
    examplesSection(command, width),
    exitsSection(command, width),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** The usage line of one command. */
export function usageLine(command: CommandSpec): string {
  const words = command.arguments.map(({ name }) => name);
  const flags = command.options.length > 0 ? ['[flags]'] : [];
  const passed = command.passThrough === true ? ['[-- ARGS ...]'] : [];
  return ['caliban', command.name, ...flags, ...words, ...passed].join(' ');
}

/** Exit statuses that every command may have, with the command's own ones in order. */
export function exitStatuses(command: CommandSpec): [number, string][] {
  const common: [number, string][] = [
    [0, 'success'],
    [EXIT.usage, 'the command line, a config or a file is wrong; nothing was changed'],
    [EXIT.auth, 'the service refuses the token'],
    [EXIT.unavailable, 'no service, or it does not answer; the same command may work later'],
    [EXIT.bug, 'a bug in caliban'],
    [EXIT.interrupted, 'interrupted by Ctrl-C'],
  ];
  const own = (command.exits ?? []).map(([status, text]): [number, string] => [status, text]);
  const ownStatuses = new Set(own.map(([status]) => status));
  return [...common.filter(([status]) => !ownStatuses.has(status)), ...own].sort(
    ([a], [b]) => a - b,
  );
}

function argumentsSection(command: CommandSpec, width: number): string {
  const rows = command.arguments.map(({ name, summary }) => [name, summary]);
  if (command.passThrough === true) {
    rows.push(['-- ARGS', 'everything behind `--` goes to your program, unchanged']);
  }
  return rows.length === 0
    ? ''
    : ['Arguments:', ...alignColumns(rows, { indent: 2, width })].join('\n');
}

function optionSections(command: CommandSpec, width: number): string[] {
  const groups = new Map<string, string[][]>();
  for (const { option, short } of flagsOf(command)) {
    if (option.hidden === true) continue;
    const heading = option.group ?? 'Flags';
    const rows = groups.get(heading) ?? [];
    rows.push([short === undefined ? `    ${option.flags}` : option.flags, summaryOf(option)]);
    groups.set(heading, rows);
  }
  const column = Math.max(0, ...[...groups.values()].flat().map(([flags = '']) => flags.length));
  return [...groups].map(([heading, rows]) =>
    [
      `${heading}:`,
      ...alignColumns(
        rows.map(([flags = '', summary = '']) => [flags.padEnd(column), summary]),
        { indent: 2, width },
      ),
    ].join('\n'),
  );
}

function summaryOf(option: CommandSpec['options'][number]): string {
  const choices = option.choices === undefined ? '' : ` (${option.choices.join(', ')})`;
  return `${option.summary}${choices}${option.repeats === true ? '; may be repeated' : ''}`;
}

function examplesSection(command: CommandSpec, width: number): string {
  const examples = command.examples ?? [];
  if (examples.length === 0) return '';
  const lines = examples.flatMap(({ line, summary }) => [
    ...alignColumns([['#', summary]], { indent: 2, gap: 1, width }),
    // A command line is to be copied: never broken.
    `  ${line}`,
  ]);
  return ['Examples:', ...lines].join('\n');
}

function exitsSection(command: CommandSpec, width: number): string {
  const rows = exitStatuses(command).map(([status, text]) => [String(status), text]);
  return ['Exit status:', ...alignColumns(rows, { indent: 2, width })].join('\n');
}
