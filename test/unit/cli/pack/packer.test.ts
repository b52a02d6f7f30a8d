import { join } from 'node:path';
import { describe, test } from 'vitest';
import { createPacker } from '../../../../cli/pack/packer.ts';
import { aProject, type Content } from './a-project.ts';

const CONFIG = `# what the image is made from
{
  "base_image": {"cpu": "team/base:{}", "gpu": "team/cuda"},
  "apt_packages": {"gpu": ["ffmpeg"], "cpu": ["git", "curl"]}, // by mode
  "python_version": "3.12",
  "julia_version": "1.5"
}`;

describe('what is packed is made from what the project file says', () => {
  test('base image, packages and Python of the mode', async ({ expect }) => {
    const { dependencies, notes } = await packed({ '.calibanconfig.json': CONFIG });
    expect(dependencies).toMatchObject({
      base: 'team/base:cpu',
      apt: ['git', 'curl'],
      python: '3.12',
    });
    expect(notes).toEqual(['.calibanconfig.json: julia_version has no effect in this version.']);
  });

  test('the other mode gets its own', async ({ expect }) => {
    const { dependencies } = await packed({ '.calibanconfig.json': CONFIG }, 'gpu');
    expect(dependencies).toMatchObject({ base: 'team/cuda', apt: ['ffmpeg'] });
  });

  test('without the file nothing is asked for', async ({ expect }) => {
    const { dependencies, notes } = await packed({});
    expect(dependencies).toMatchObject({ base: null, apt: [], python: null });
    expect(notes).toEqual([]);
  });

  test.for([
    ['{"apt_package": []}', 'CONFIG_INVALID', 'Did you mean apt_packages?'],
    ['{"apt_packages": ["git; reboot"]}', 'CONFIG_INVALID', 'Write NAME'],
    ['{', 'CONFIG_SYNTAX', ''],
    ['DIRECTORY', 'CONFIG_INVALID', 'a file that you may read'],
  ] as const)('%s is refused before anything is packed', async ([text, code, hint], { expect }) => {
    await expect(packed({ '.calibanconfig.json': text })).rejects.toMatchObject({
      code,
      hint: expect.stringContaining(hint),
    });
  });
});

async function packed(files: Readonly<Record<string, Content>>, mode: 'cpu' | 'gpu' = 'cpu') {
  const contextDir = aProject({ 'train.py': 'print(1)', ...files });
  const notes: string[] = [];
  const { dependencies } = await createPacker().pack({
    contextDir,
    cacheDir: join(contextDir, '.cache'),
    module: 'train.py',
    mode,
    extraDirs: [],
    extras: [],
    signal: new AbortController().signal,
    note: (line) => notes.push(line),
  });
  return { dependencies, notes };
}
