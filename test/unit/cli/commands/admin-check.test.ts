import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { Parts } from '../../../../cli/lib/parts.ts';
import type { CheckPage, DifferenceView } from '../../../../shared/api/check.ts';
import { toErrorBody } from '../../../../shared/api/error.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { DAMAGED } from '../../../../shared/errors/damaged-database.ts';
import { createTestCli } from '../../../doubles/cli.ts';

const DIFFERENCE: DifferenceView = {
  kind: 'counts',
  subject: 'group ada/sweep',
  ids: { groupId: 'g' },
  found: 'kept: 2 FAILED',
  expected: 'counted: 1 FAILED',
  fix: 'Submit anything.',
};

describe('admin check', () => {
  test('adds up what its parts looked at, and is content', async ({ expect, onTestFinished }) => {
    const pages = [
      { differences: [], looked: { groups: 1, jobs: 200 }, next: 'more' },
      { differences: [], looked: { jobs: 55 }, next: null },
    ];
    const { status, stdout } = await check(onTestFinished, pages);
    expect(stdout).toBe('checked 1 groups, 255 jobs\nnothing differs\n');
    expect(status).toBe(0);
  });

  test('tells each difference with what to do, status 1', async ({ expect, onTestFinished }) => {
    const pages = [{ differences: [DIFFERENCE], looked: { groups: 1 }, next: null }];
    const { status, stdout } = await check(onTestFinished, pages);
    expect(stdout).toBe(
      [
        'counts: group ada/sweep',
        '  found     kept: 2 FAILED',
        '  expected  counted: 1 FAILED',
        '  do        Submit anything.',
        '',
        'checked 1 groups',
        '1 differs\n',
      ].join('\n'),
    );
    expect(status).toBe(1);
  });

  test('as JSON is one value, whatever the number of parts', async ({ expect, onTestFinished }) => {
    const part = { differences: [DIFFERENCE], looked: { groups: 1 } };
    const pages = [
      { ...part, next: 'more' },
      { ...part, next: null },
    ];
    const { status, stdout } = await check(onTestFinished, pages, ['--json']);
    expect(JSON.parse(stdout)).toEqual({
      differences: [DIFFERENCE, DIFFERENCE],
      looked: { groups: 2 },
    });
    expect(status).toBe(1);
  });

  test('asks for the bytes of layers only when told to, in every part', async ({
    expect,
    onTestFinished,
  }) => {
    const page = { differences: [], looked: {} };
    for (const [flags, layers] of [
      [[], 'false'],
      [['--layers'], 'true'],
    ] as const) {
      const pages = [
        { ...page, next: 'a+b' },
        { ...page, next: null },
      ];
      const { asked } = await check(onTestFinished, pages, flags);
      expect(asked).toEqual([`?layers=${layers}`, `?cursor=a%2Bb&layers=${layers}`]);
    }
  });

  test('looks where --data_dir says, whatever service is set', async ({
    expect,
    onTestFinished,
  }) => {
    const pages = [{ differences: [], looked: {}, next: null }];
    const CALIBAN_ENDPOINT = 'http://127.0.0.1:1';
    const named = await check(onTestFinished, pages, ['--data_dir', '/backup/monday'], {
      CALIBAN_ENDPOINT,
    });
    expect(named).toMatchObject({ status: 0, dataDir: '/backup/monday' });
    const unnamed = await check(onTestFinished, pages, [], { CALIBAN_ENDPOINT });
    expect(unnamed).toMatchObject({ status: 6, dataDir: undefined });
  });

  test('of a service whose admin you are not ends with status 4', async ({
    expect,
    onTestFinished,
  }) => {
    const { status, stderr } = await check(onTestFinished, [
      new AppError('FORBIDDEN', 'eve is no admin of this service.'),
    ]);
    expect(status).toBe(4);
    expect(stderr).toContain('eve is no admin');
  });
});

test('a database that cannot be opened is told to be damaged, status 1', async (t) => {
  const cli = createTestCli(t.onTestFinished);
  const damage = new AppError('DATA_DIR_UNUSABLE', 'cannot use /d/service.db: malformed', {
    hint: 'Restore it.',
    context: { path: '/d/service.db', ...DAMAGED },
  });
  const parts = recordsThat(() => Promise.reject(damage));
  const { status, stdout } = await cli.run(['admin', 'check'], { parts });
  t.expect(stdout).toMatch(
    /^database: file \/d\/service\.db\n {2}found {5}cannot use .*malformed\n/,
  );
  t.expect(stdout).toMatch(/checked nothing more\n1 differs\n$/);
  t.expect(status).toBe(1);
});

test('a directory that is named and not there, or has no database, is said to be so', async (t) => {
  const cli = createTestCli(t.onTestFinished);
  const parts = recordsThat(async () => null);
  const gone = join(cli.cwd, 'gone');
  const nowhere = await cli.run(['admin', 'check', '--data_dir', gone], { parts });
  t.expect(nowhere.stderr).toContain(`There is no directory ${gone}.`);
  t.expect(nowhere.status).toBe(2);
  const empty = await cli.run(['admin', 'check', '--data_dir', cli.cwd], { parts });
  t.expect(empty.stderr).toContain(`There is no database (service.db) in ${cli.cwd}.`);
  t.expect(empty.status).toBe(2);
});

type Host = Awaited<ReturnType<Parts['host']>>;

function recordsThat(offline: Host['offline']) {
  return {
    host: async () => ({ runServe: () => Promise.reject(new Error('not here')), offline }),
  };
}

// Records without a service that answer with one page after the other.
async function check(
  onTestFinished: (clean: () => void) => void,
  pages: readonly (CheckPage | AppError)[],
  ...[flags = [], env = {}]: [flags?: readonly string[], env?: Readonly<Record<string, string>>]
) {
  const asked: string[] = [];
  let dataDir: string | undefined;
  const fetch = async (request: Request): Promise<Response> => {
    const page = pages[asked.length];
    asked.push(new URL(request.url).search);
    return page instanceof AppError
      ? Response.json(toErrorBody(page, 'r'), { status: page.status })
      : Response.json(page);
  };
  const cli = createTestCli(onTestFinished);
  const ran = await cli.run(['admin', 'check', ...flags], {
    env,
    parts: recordsThat(async (directory) => {
      dataDir = directory;
      return { fetch, statesAsOf: null, close: async () => undefined };
    }),
  });
  return { ...ran, asked, dataDir };
}
