import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import {
  type ModuleTarget,
  moduleCommand,
  moduleToPath,
  resolveModule,
  scriptTarget,
} from '../../../../cli/pack/module.ts';
import { aProject, type Content } from './a-project.ts';

interface Case {
  name: string;
  input: {
    op?: 'unvalidated' | 'module_to_path';
    path: string;
    module: string;
    files?: string[];
    dirs?: string[];
  };
  expected?: unknown;
  error?: { exit_code: number; reason: string };
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/module.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

describe('the module argument follows the recorded behaviour', () => {
  test.for(cases)('$name', async ({ input, expected, error }, { expect }) => {
    if (input.op === 'module_to_path') return expect(moduleToPath(input.module)).toBe(expected);
    if (input.op === 'unvalidated')
      return expect(asRecorded(scriptTarget(input.path))).toEqual(expected);
    const files = (input.files ?? []).map((path): [string, Content] => [path, '']);
    const dirs = (input.dirs ?? []).map((path): [string, Content] => [path, 'DIRECTORY']);
    const resolved = resolveModule(aProject(Object.fromEntries([...files, ...dirs])), input.path);
    if (error === undefined) return expect(asRecorded(await resolved)).toEqual(expected);
    return expect(resolved).rejects.toMatchObject({
      code: 'MODULE_NOT_FOUND',
      exit: error.exit_code,
      context: { argument: input.path, reason: error.reason },
    });
  });
});

describe('the command inside the image', () => {
  test.for([
    ['trainer.train', ['python', '-m', 'trainer.train']],
    ['trainer/train.py', ['python', 'trainer/train.py']],
    ['./trainer/train.py', ['python', './trainer/train.py']],
  ] as const)('%s', async ([word, command], { expect }) => {
    const project = aProject({ 'trainer/train.py': '' });
    expect(moduleCommand(await resolveModule(project, word))).toEqual(command);
  });
});

describe('a word that cannot be executed is refused with the fix', () => {
  const project = {
    'trainer/train.py': '',
    'trainer/evaluate.py': '',
    'run.sh': '',
    'empty/notes.txt': '',
    'pkg/__main__.py': '',
    'pkg/a.py': '',
  };

  test.for<[word: string, message: string, hint: string]>([
    ['trainer', 'trainer is a directory', 'caliban cloud trainer/evaluate.py'],
    ['trainer/', 'trainer/ is a directory', 'caliban cloud trainer/evaluate.py'],
    ['pkg', 'pkg is a directory', 'caliban cloud pkg/__main__.py'],
    ['empty', 'empty is a directory', 'caliban cloud empty/train.py'],
    ['.', '. is a directory', 'caliban cloud run.py'],
    ['/abs/x.py', '/abs/x.py is an absolute path', 'name the script from there'],
    ['../x.py', '../x.py goes through a parent directory', 'all of your code'],
    ['trainer/../run.sh', 'goes through a parent directory', 'all of your code'],
    ['trainer/trian.py', 'no file "trainer/trian.py"', 'Did you mean trainer/train.py?'],
    [
      'trainer.trian',
      'neither a file trainer.trian nor trainer/trian.py',
      'Did you mean trainer.train?',
    ],
    ['tainer.train', 'no folder tainer for tainer.train', 'Did you mean trainer.train?'],
    ['train.py', 'no file "train.py"', 'Did you mean trainer/train.py?'],
    ['Run.sh', 'no file "Run.sh"', 'Did you mean run.sh?'],
    ['zzzzzzzz', 'neither a file zzzzzzzz nor zzzzzzzz.py', 'Name a script'],
    ['nodir/zzzzzzzz.py', 'no folder nodir', 'Name a script'],
    ['trainer..train', 'no file "trainer..train"', 'trainer/train.py'],
    ['run.sh/', 'no file "run.sh/"', 'Did you mean run.sh?'],
    ['', 'no file ""', 'Name a script'],
  ])('%j', async ([word, message, hint], { expect }) => {
    await expect(resolveModule(aProject({ ...project, 'run.py': '' }), word)).rejects.toMatchObject(
      {
        code: 'MODULE_NOT_FOUND',
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      },
    );
  });
});

function asRecorded(target: ModuleTarget) {
  return {
    executable: target.executable,
    package_path: target.packagePath,
    script_path: target.scriptPath,
    main_module: target.mainModule,
  };
}
