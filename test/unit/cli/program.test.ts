import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { COMMANDS } from '../../../cli/commands/index.ts';
import { flagsOf } from '../../../cli/lib/flags.ts';
import { CapturedStream, createTestCli } from '../../doubles/cli.ts';

describe('help', () => {
  test.for(['', ...COMMANDS.map(({ name }) => name)])('of "%s" is as reviewed', async (name, t) => {
    const cli = createTestCli(t.onTestFinished);
    const { status, stdout, stderr } = await cli.run([
      ...name.split(' ').filter(Boolean),
      '--help',
    ]);
    t.expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const file = `../../fixtures/help/${name.replace(' ', '-') || 'caliban'}.txt`;
    await t.expect(stdout).toMatchFileSnapshot(file);
  });

  test.for([80, 60, 100])('fits a terminal of %d columns, no word broken', async (columns, t) => {
    const cli = createTestCli(t.onTestFinished);
    const tty = columns !== 80;
    for (const words of [[], ['endpoint'], ...COMMANDS.map(({ name }) => name.split(' '))]) {
      const stdout = new CapturedStream(tty, undefined, columns);
      await cli.run(['help', ...words], { stdout });
      const lines = stdout.text.split('\n').filter((line) => !line.startsWith('  caliban '));
      t.expect(lines.filter((line) => line.length > columns)).toEqual([]);
      const wide = new CapturedStream(true, undefined, 1_000);
      await cli.run(['help', ...words], { stdout: wide });
      t.expect(stdout.text.split(/\s+/)).toEqual(wide.text.split(/\s+/));
    }
  });

  test('without a command goes to stderr, status 2', async ({ expect, onTestFinished }) => {
    const { status, stdout, stderr } = await createTestCli(onTestFinished).run([]);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Usage: caliban COMMAND');
  });

  test('of a family lists its commands', async ({ expect, onTestFinished }) => {
    const { status, stdout } = await createTestCli(onTestFinished).run(['endpoint', '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('caliban endpoint set [flags] URL');
  });

  test('is not what a value of another flag asks for', async ({ expect, onTestFinished }) => {
    const { status, stderr } = await createTestCli(onTestFinished).run([
      'cloud',
      '--name',
      '--help',
    ]);
    expect(status).toBe(2);
    expect(stderr).toContain('caliban cloud needs MODULE');
  });
});

describe('version', () => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );

  test.for([['--version'], ['version']])('%s names the package version', async (argv, t) => {
    const { status, stdout } = await createTestCli(t.onTestFinished).run(argv);
    t.expect(status).toBe(0);
    t.expect(stdout).toMatch(new RegExp(`^caliban ${version.replaceAll('.', '\\.')}`));
  });
});

describe('a mistyped command line', () => {
  test.for([
    [['clod', 'x.py'], 'Did you mean: caliban cloud'],
    [['endpoint', 'shwo'], 'Did you mean: caliban endpoint show'],
    [['zzz'], 'Commands: cloud, status'],
    [['cloud', '--gpuspec=1xT4', 'x.py'], 'Did you mean --gpu_spec?'],
    [['cloud', '--exprmnt_config', 'a', 'x.py'], 'Did you mean --experiment_config?'],
    [['status', '--xgrp', 'g'], 'Did you mean --xgroup? All flags: caliban status --help'],
    [['stop', '--xgrp=g'], 'Did you mean --xgroup?'],
    [['status', '-q'], 'See: caliban status --help'],
    [['cloud', '--nogpu=1', 'x.py'], '--nogpu takes no value'],
    [['cloud', 'x.py', '--nogpu'], 'caliban cloud x.py -- --nogpu'],
    [['cloud', '--name'], '--name needs a value'],
    [['cloud', '--name', '--', 'x'], '--name needs a value'],
    [['logs'], 'caliban logs needs JOB'],
    [['logs', 'a', 'b'], 'takes only 1'],
    [['serve', '--platform', 'moon'], 'It can be: docker, process.'],
    [['serve', '--log_level', 'trace'], 'It can be: debug, info, warn, error.'],
    [['serve', '--log-level=debg'], 'Did you mean --log_level debug?'],
    [['serve', '--platform=proces'], 'Did you mean --platform process?'],
    [['status', '--max_jobs', 'abc'], 'from 1 to 10000 in all, or 0'],
    [['status', '--max_jobs', 'abc', '--xgroup=g'], 'from 1 to 100 of an experiment, or 0'],
    [['run', 'x.py'], 'caliban run is not part of this version yet.\nThe same script runs'],
    [['notebook', '--help'], 'caliban notebook is not part of this version yet'],
    [['cluster', 'ls'], 'caliban cluster is not part of this version yet'],
    [
      ['cloud', 'x.py', '--name', 'n', '--', 'a'],
      'in front of the module: caliban cloud --name n x.py -- a',
    ],
    [['serve', '--port', '70000'], '--port 70000 is not a whole number from 0 to 65535'],
    [['stop'], 'caliban stop needs --xgroup'],
  ] as const)('%j is refused with status 2 and a way out', async ([argv, text], t) => {
    const { status, stdout, stderr } = await createTestCli(t.onTestFinished).run([...argv]);
    t.expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    t.expect(stderr).toContain(text);
  });

  test('a flag of any command with a letter left out is recognised', async (t) => {
    const cli = createTestCli(t.onTestFinished);
    for (const command of COMMANDS) {
      const flags = flagsOf(command).filter(({ option }) => option.hidden !== true);
      for (const { long } of flags) {
        const typed = `--${long.slice(0, 2)}${long.slice(3)}`;
        const { stderr } = await cli.run([...command.name.split(' '), typed]);
        t.expect(stderr, `${command.name} ${typed}`).toMatch(
          /^error: caliban [a-z ]+ has no flag --\w+\.\nDid you mean --\w+\? All flags: caliban/,
        );
      }
    }
  });

  test('words between module and -- are shown behind it, quoted for a shell', async (t) => {
    const { status, stderr } = await createTestCli(t.onTestFinished).run([
      'cloud',
      '--name',
      'my run',
      'train.py',
      'extra',
      "it's",
      '--',
      '--epochs',
      '2',
    ]);
    t.expect(status).toBe(2);
    t.expect(stderr).not.toContain('in front of the module');
    t.expect(stderr).toContain(
      `caliban cloud --name 'my run' train.py -- extra 'it'\\''s' --epochs 2`,
    );
  });

  test('with --json the error is JSON on stdout too', async ({ expect, onTestFinished }) => {
    const { status, stdout } = await createTestCli(onTestFinished).run(['status', '--json', '--x']);
    expect(status).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'USAGE' });
  });
});

describe('the unexpected', () => {
  const parts = { host: () => Promise.reject(new TypeError('boom')) };

  test('is a bug: status 70, short, no stack', async ({ expect, onTestFinished }) => {
    const { status, stderr } = await createTestCli(onTestFinished).run(['status'], { parts });
    expect(status).toBe(70);
    expect(stderr).toContain('bug in caliban: boom');
    expect(stderr).not.toContain('    at ');
  });

  test('shows its stack with CALIBAN_DEBUG', async ({ expect, onTestFinished }) => {
    const env = { CALIBAN_DEBUG: '1' };
    const { stderr } = await createTestCli(onTestFinished).run(['status'], { parts, env });
    expect(stderr).toContain('    at ');
  });

  test('a reader of stdout that goes away ends the program quietly', async (t) => {
    const stdout = new CapturedStream(false, 0);
    const { status, stderr } = await createTestCli(t.onTestFinished).run(['version'], { stdout });
    t.expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

test('docs/cli.md names every command, flag, exit status and variable', async ({ expect }) => {
  const docs = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  const { ENVIRONMENT } = await import('../../../cli/lib/env.ts');
  const { EXIT } = await import('../../../shared/errors/catalog.ts');
  for (const { name, options } of COMMANDS) {
    const start = docs.indexOf(`\n## caliban ${name}\n`);
    expect(start, `a section for ${name}`).toBeGreaterThan(0);
    const end = docs.indexOf('\n## ', start + 1);
    const section = `${docs.slice(start, end === -1 ? undefined : end)}\n${docs.slice(docs.indexOf('\n## Service flags\n'))}`;
    for (const { flags, hidden } of options) {
      if (hidden !== true) expect(section, `${flags} of ${name}`).toContain(`\`${flags}\``);
    }
  }
  for (const status of Object.values(EXIT)) expect(docs).toMatch(new RegExp(`\\| ${status} *\\|`));
  for (const name of Object.keys(ENVIRONMENT)) expect(docs).toContain(`\`${name}\``);
});
