import { execFileSync } from 'node:child_process';
import { appendFile, cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { dockerSettings } from '../fixtures/docker-image.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';
import { type Machine, ROOT, scratchMachine } from './built-cli.ts';

describe.runIf(hasPart('docker'))('jobs in Docker', { timeout: 300_000 }, () => {
  test('the sklearn example: one dependency image, and changed code builds nothing', async ({
    expect,
    onTestFinished,
  }) => {
    const machine = scratchMachine(onTestFinished, dockerSettings());
    const cwd = join(machine.home, 'project');
    await cp(join(ROOT, 'examples', 'sklearn'), cwd, { recursive: true });
    // Nobody else's image is this one: the first submission has to build.
    await appendFile(join(cwd, 'requirements.txt'), `# ${machine.home}\n`);
    const sweep = ['cloud', '--nogpu', '--experiment_config', 'experiment.json', '--xgroup', 'it'];
    const before = dependencyImages();
    const first = await machine.caliban([...sweep, '--wait', 'trainer.train'], { cwd });
    expect(first, first.stderr).toMatchObject({ status: 0 });
    expect(first.stdout).toContain('on docker');
    const built = dependencyImages().filter((image) => !before.includes(image));
    expect(built).toHaveLength(1);
    onTestFinished(() => removeImages(built));

    await appendFile(join(cwd, 'trainer', 'train.py'), '\n# changed\n');
    const plan = await machine.caliban([...sweep, '--dry_run', 'trainer.train'], { cwd });
    expect(plan.stdout).toContain('Dependencies are prepared');
    const second = await machine.caliban([...sweep, '--wait', 'trainer.train'], { cwd });
    expect(second, second.stderr).toMatchObject({ status: 0 });
    expect(dependencyImages().filter((image) => !before.includes(image))).toEqual(built);

    const status = await machine.caliban(['status', '--xgroup', 'it', '--max_jobs', '0']);
    expect(status.stdout.match(/ SUCCEEDED {3}DOCKER /g), status.stdout).toHaveLength(8);
    // The code changed, so the run image did, once.
    expect(new Set(status.stdout.match(/sha256:[0-9a-f]{12}/g)).size).toBe(2);
    const log = await machine.caliban(['logs', (/job (\S+)/.exec(status.stdout) ?? [])[1] ?? '']);
    expect(log.stdout).toContain('accuracy');
  });

  test('a job sees the project’s packages, its own files and nothing of the machine', async ({
    expect,
    onTestFinished,
  }) => {
    const machine = scratchMachine(onTestFinished, dockerSettings());
    const cwd = await aProject(machine, {
      'probe.py': PROBE,
      'data/a file.txt': 'content',
      '.calibanconfig.json': '{"apt_packages": ["tree"]} # one small package',
    });
    const words = ['cloud', '--nogpu', '--xgroup', 'probe', '--wait', 'probe.py', '--', "it's", ''];
    const ran = await machine.caliban(words, { cwd });
    expect(ran, ran.stderr).toMatchObject({ status: 0 });
    const log = await logOf(machine, 'probe');
    expect(JSON.parse(log)).toEqual({
      arguments: ["it's", ''],
      cwd: '/usr/app',
      file: 'content',
      tree: '/usr/bin/tree',
      uid: 1000,
      writable: true,
    });
  });

  test('exit codes and limits of memory are told as they are', async ({
    expect,
    onTestFinished,
  }) => {
    const machine = scratchMachine(onTestFinished, dockerSettings());
    const cwd = await aProject(machine, {
      'end.py':
        'import sys\nif sys.argv[1] == "eat": x = bytearray(512 << 20)\nsys.exit(int(sys.argv[1]))',
    });
    await machine.caliban(['serve', '--detach', '--job_memory', '64m']);
    for (const word of ['3', 'eat']) {
      const words = [
        'cloud',
        '--nogpu',
        '--xgroup',
        `ends-${word}`,
        '--wait',
        'end.py',
        '--',
        word,
      ];
      expect((await machine.caliban(words, { cwd })).status).toBe(1);
    }
    const jobs = await machine.caliban(['status', '--json']);
    expect(jobs.stdout).toContain('Exit code 3.');
    expect(jobs.stdout).toContain('out-of-memory');
  });

  test('a given image runs as it is, and one that does not exist says so', async ({
    expect,
    onTestFinished,
  }) => {
    const machine = scratchMachine(onTestFinished, dockerSettings());
    const cwd = await aProject(machine, { 'x.sh': 'echo never' });
    const given = ['cloud', '--nogpu', '--wait', '--xgroup', 'given', '--image_tag'];
    const gone = await machine.caliban([...given, 'caliban-test/none:1', 'x.sh'], { cwd });
    expect(gone.status).toBe(5);
    expect(gone.stderr).toContain('caliban-test/none:1');
    const missing = await machine.caliban([...given, TEST_BASE_IMAGE, 'x.sh'], { cwd });
    // The image has no entry point and no such script in it: bash says so.
    expect(missing.status).toBe(1);
  });
});

const PROBE = `import json, os, shutil, sys
open('written', 'w').close()
print(json.dumps({
    'arguments': sys.argv[1:],
    'cwd': os.getcwd(),
    'file': open('data/a file.txt').read(),
    'tree': shutil.which('tree'),
    'uid': os.getuid(),
    'writable': os.path.exists('written'),
}))
`;

async function aProject(
  machine: Machine,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const cwd = join(machine.home, 'project');
  await mkdir(join(cwd, 'data'), { recursive: true });
  for (const [path, content] of Object.entries(files)) await writeFile(join(cwd, path), content);
  return cwd;
}

async function logOf(machine: Machine, group: string): Promise<string> {
  const status = await machine.caliban(['status', '--xgroup', group]);
  const [, job = ''] = /job (\S+)/.exec(status.stdout) ?? [];
  return (await machine.caliban(['logs', job])).stdout;
}

function dependencyImages(): readonly string[] {
  const args = ['images', '--format', '{{.Repository}}:{{.Tag}}', 'caliban/deps'];
  return execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean);
}

function removeImages(images: readonly string[]): void {
  execFileSync('docker', ['rmi', '--force', ...images], { stdio: 'ignore' });
}
