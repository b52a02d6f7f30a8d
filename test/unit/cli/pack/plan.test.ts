import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'vitest';
import { type PackPlan, planPack } from '../../../../cli/pack/plan.ts';
import { aFolder, aProject, type Content } from './a-project.ts';

const PROJECT: Record<string, Content> = {
  'trainer/train.py': 'x',
  'trainer/sub/model.py': 'x',
  'trainer/data/big.bin': 'x'.repeat(5000),
  'data/a.csv': '1',
  'models/stored/m.bin': 'mm',
  'cpu.py': '',
  'notes.md': '',
};

function namesOf(plan: PackPlan): Record<string, string[]> {
  return Object.fromEntries(
    plan.layers.map(({ root, entries }) => [
      root,
      entries.map(({ path }) => path.replace('usr/app/', '')),
    ]),
  );
}

describe('what goes up', () => {
  test('is the folder of the module', async ({ expect }) => {
    const plan = await planPack({ contextDir: aProject(PROJECT), moduleArgument: 'trainer.train' });
    expect(plan.command).toEqual(['python', '-m', 'trainer.train']);
    expect(namesOf(plan)).toEqual({
      trainer: [
        'trainer',
        'trainer/data',
        'trainer/data/big.bin',
        'trainer/sub',
        'trainer/sub/model.py',
        'trainer/train.py',
      ],
    });
  });

  test('but never the data directory of the service, which holds its token', async ({ expect }) => {
    const contextDir = aProject({
      'train.py': 'x',
      '.caliban/token': 's',
      '.caliban/service.db': 'x',
    });
    const moduleArgument = 'train.py';
    for (const leftOut of [join(contextDir, '.caliban'), join(contextDir, 'none'), contextDir]) {
      const names = namesOf(await planPack({ contextDir, moduleArgument, leftOut }))['.'];
      const isItsOwn = leftOut.endsWith('.caliban');
      expect(names?.includes('train.py')).toBe(true);
      expect(names?.some((name) => name.startsWith('.caliban'))).toBe(!isItsOwn);
    }
  });

  test('and each -d directory as a layer of its own, in order, the package last', async ({
    expect,
  }) => {
    const contextDir = aProject(PROJECT);
    const plan = await planPack({
      contextDir,
      moduleArgument: 'trainer.train',
      extraDirs: ['models/stored', './data/'],
    });
    expect(plan.layers.map(({ root }) => root)).toEqual(['models/stored', 'data', 'trainer']);
    expect(namesOf(plan)['models/stored']).toEqual([
      'models',
      'models/stored',
      'models/stored/m.bin',
    ]);
    expect(namesOf(plan)['data']).toEqual(['data', 'data/a.csv']);
  });

  test('a -d directory inside another layer is in its own layer only', async ({ expect }) => {
    const contextDir = aProject(PROJECT);
    const plan = await planPack({
      contextDir,
      moduleArgument: 'cpu.py',
      extraDirs: ['trainer', 'trainer/data', 'data'],
    });
    expect(namesOf(plan)).toEqual({
      trainer: ['trainer', 'trainer/sub', 'trainer/sub/model.py', 'trainer/train.py'],
      'trainer/data': ['trainer', 'trainer/data', 'trainer/data/big.bin'],
      data: ['data', 'data/a.csv'],
      '.': ['cpu.py', 'models', 'models/stored', 'models/stored/m.bin', 'notes.md'],
    });
  });

  test('the same directory twice, or the package itself, is one layer', async ({ expect }) => {
    const contextDir = aProject(PROJECT);
    const plan = await planPack({
      contextDir,
      moduleArgument: 'trainer.train',
      extraDirs: ['trainer', 'data', 'data/', 'trainer'],
    });
    expect(plan.layers.map(({ root }) => root)).toEqual(['data', 'trainer']);
  });

  test('an outer -d directory leaves the package to the package layer', async ({ expect }) => {
    const contextDir = aProject(PROJECT);
    const plan = await planPack({ contextDir, moduleArgument: 'trainer.train', extraDirs: ['.'] });
    expect(plan.layers.map(({ root }) => root)).toEqual(['.', 'trainer']);
    expect(namesOf(plan)['.']).not.toContain('trainer');
  });

  test('the largest files of all layers are listed, ten at most', async ({ expect }) => {
    const many = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`trainer/f${i}`, 'x'.repeat(100 + i)]),
    );
    const contextDir = aProject({ ...PROJECT, ...many });
    const plan = await planPack({
      contextDir,
      moduleArgument: 'trainer.train',
      extraDirs: ['models'],
    });
    expect(plan.largest).toHaveLength(10);
    expect(plan.largest.slice(0, 2)).toEqual([
      { path: 'trainer/data/big.bin', size: 5000 },
      { path: 'trainer/f11', size: 111 },
    ]);
  });

  test('requirements.txt is reported when there is one', async ({ expect }) => {
    const plan = await planPack({ contextDir: aProject(PROJECT), moduleArgument: 'cpu.py' });
    expect(plan.dependencyFiles).toEqual({});
    const contextDir = aProject({ ...PROJECT, 'requirements.txt': 'numpy\n' });
    const other = await planPack({ contextDir, moduleArgument: 'cpu.py' });
    expect(other.dependencyFiles).toEqual({ requirements: 'requirements.txt' });
  });
});

describe('a -d that cannot be packed is refused', () => {
  test.for<[given: string, code: string, message: string]>([
    ['missing', 'USAGE', '-d missing: no such directory.'],
    ['cpu.py', 'USAGE', '-d cpu.py: not a directory.'],
    ['/tmp', 'USAGE', '-d "/tmp" is not a path below the current directory.'],
    ['..', 'USAGE', '-d ".." is not a path below the current directory.'],
    ['data/../../x', 'USAGE', '-d "data/../../x" is not a path below the current directory.'],
    ['', 'USAGE', '-d "" is not a path below the current directory.'],
    ['away', 'PACK_REFUSED', 'away leads out of the current directory'],
    ['ignored', 'PACK_REFUSED', 'ignored is to be packed, but .dockerignore leaves all of it out.'],
  ])('%j', async ([given, code, message], { expect }) => {
    const contextDir = aProject({
      ...PROJECT,
      away: { link: aFolder() },
      'ignored/x': '',
      '.dockerignore': 'ignored\naway\n',
    });
    await expect(
      planPack({ contextDir, moduleArgument: 'cpu.py', extraDirs: [given] }),
    ).rejects.toMatchObject({
      code,
      exit: 2,
      message: expect.stringContaining(message),
      hint: expect.any(String),
    });
  });

  test('a package folder that is a link to elsewhere is refused too', async ({ expect }) => {
    const contextDir = aFolder();
    symlinkSync(aProject({ 'train.py': '' }), join(contextDir, 'trainer'));
    await expect(planPack({ contextDir, moduleArgument: 'trainer.train' })).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: expect.stringContaining('trainer leads out of the current directory'),
    });
  });
});

describe('.dockerignore', () => {
  test('is read at the context, exceptions below ignored directories are kept', async ({
    expect,
  }) => {
    const contextDir = aProject({
      ...PROJECT,
      'trainer/.dockerignore': 'train.py',
      '.dockerignore': 'trainer/data\ntrainer/sub/**\n!trainer/sub/model.py\n*.md\n',
    });
    const plan = await planPack({ contextDir, moduleArgument: 'trainer.train' });
    expect(namesOf(plan)['trainer']).toEqual([
      'trainer',
      'trainer/.dockerignore',
      'trainer/sub',
      'trainer/sub/model.py',
      'trainer/train.py',
    ]);
  });

  test('a directory that is ignored whole is not entered: what could not be packed does no harm there', async ({
    expect,
  }) => {
    const contextDir = aProject({
      ...PROJECT,
      '.dockerignore': 'trainer/data',
      'trainer/data/l': { link: '/etc' },
    });
    const plan = await planPack({ contextDir, moduleArgument: 'trainer.train' });
    expect(namesOf(plan)['trainer']).not.toContain('trainer/data');
  });

  test('a kept file in an ignored directory brings its parents along', async ({ expect }) => {
    const contextDir = aProject({ ...PROJECT, '.dockerignore': 'trainer\n!trainer/train.py\n' });
    const plan = await planPack({ contextDir, moduleArgument: 'trainer.train' });
    expect(namesOf(plan)['trainer']).toEqual(['trainer', 'trainer/train.py']);
  });

  test('that leaves out the script itself is refused', async ({ expect }) => {
    const contextDir = aProject({ ...PROJECT, '.dockerignore': '**/train.py\n' });
    await expect(
      planPack({ contextDir, moduleArgument: './trainer/train.py' }),
    ).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message:
        'trainer/train.py is what you want to execute, but it is left out of what is packed.',
      hint: expect.stringContaining('!trainer/train.py'),
    });
  });

  test('.gitignore is not applied', async ({ expect }) => {
    const contextDir = aProject({
      ...PROJECT,
      '.gitignore': 'data\n',
      'trainer/.gitignore': '*\n',
    });
    const plan = await planPack({ contextDir, moduleArgument: 'trainer.train' });
    expect(namesOf(plan)['trainer']).toContain('trainer/data/big.bin');
  });
});

describe('junk is left out with a notice', () => {
  test('git data, virtual environments and compiled Python, at any depth', async ({ expect }) => {
    const contextDir = aProject({
      ...PROJECT,
      '.git/config': '',
      'trainer/vendored/.git': 'gitdir: elsewhere',
      '.venv/pyvenv.cfg': '',
      '.venv/bin/python': { link: '/usr/bin/python3' },
      'trainer/my-env/pyvenv.cfg': '',
      ...Object.fromEntries(
        ['', 'trainer/', 'trainer/sub/', 'data/'].map((dir) => [`${dir}__pycache__/x.pyc`, '']),
      ),
    });
    const plan = await planPack({ contextDir, moduleArgument: 'cpu.py' });
    expect(plan.notices).toEqual([
      {
        kind: 'git',
        paths: ['.git', 'trainer/vendored/.git'],
        message: 'Left out: .git, trainer/vendored/.git (git data).',
      },
      {
        kind: 'virtualenv',
        paths: ['.venv', 'trainer/my-env'],
        message:
          'Left out: .venv, trainer/my-env (virtual environments; dependencies are installed in the image).',
      },
      {
        kind: 'pycache',
        paths: [
          '__pycache__',
          'data/__pycache__',
          'trainer/__pycache__',
          'trainer/sub/__pycache__',
        ],
        message:
          'Left out: __pycache__, data/__pycache__, trainer/__pycache__ and 1 more (compiled Python).',
      },
    ]);
    const names = namesOf(plan)['.'] ?? [];
    expect(names).toContain('trainer/vendored');
    expect(names.filter((name) => /\.git$|venv|my-env|__pycache__/.test(basename(name)))).toEqual(
      [],
    );
  });

  test('what .dockerignore leaves out already is not mentioned', async ({ expect }) => {
    const contextDir = aProject({ ...PROJECT, '.git/config': '', '.dockerignore': '.git\n' });
    expect((await planPack({ contextDir, moduleArgument: 'cpu.py' })).notices).toEqual([]);
  });

  test('a virtual environment named by -d goes up as asked', async ({ expect }) => {
    const contextDir = aProject({ ...PROJECT, 'env/pyvenv.cfg': '', 'env/lib.py': '' });
    const plan = await planPack({
      contextDir,
      moduleArgument: 'trainer.train',
      extraDirs: ['env'],
    });
    expect(namesOf(plan)['env']).toEqual(['env', 'env/lib.py', 'env/pyvenv.cfg']);
  });
});

test('a context reached through a link is the directory it leads to', async ({ expect }) => {
  const project = aProject(PROJECT);
  const link = join(aFolder(), 'link');
  symlinkSync(project, link);
  mkdirSync(join(project, 'links'));
  writeFileSync(join(project, 'links/target.py'), '');
  symlinkSync('target.py', join(project, 'links/l.py'));
  const plan = await planPack({ contextDir: link, moduleArgument: 'links/l.py' });
  expect(namesOf(plan)).toEqual({ links: ['links', 'links/l.py', 'links/target.py'] });
});
