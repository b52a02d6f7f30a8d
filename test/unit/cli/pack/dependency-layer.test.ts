import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { dependencyLayer } from '../../../../cli/pack/dependency-layer.ts';
import { hashLayer } from '../../../../cli/pack/layer.ts';
import { aFolder, aProject, tarOf, tool } from './a-project.ts';

describe('the layer of dependency files', () => {
  test('holds only these files, named relative to the context', async ({ expect }) => {
    const contextDir = aProject({
      'requirements.txt': 'numpy\n',
      'deps/extra.txt': 'scipy\n',
      'train.py': '',
    });
    const tree = await dependencyLayer(contextDir, [
      'requirements.txt',
      './deps/extra.txt',
      'requirements.txt',
    ]);
    expect(tool('tar', ['-tf', '-'], await tarOf(tree)).toString()).toBe(
      'deps/extra.txt\nrequirements.txt\n',
    );
  });

  test('has the same key whatever the mode, and through a link', async ({ expect }) => {
    const plain = aProject({ 'requirements.txt': 'numpy\n' });
    const linked = aProject({
      'requirements.txt': { link: 'deps/cpu.txt' },
      'deps/cpu.txt': { script: 'numpy\n' },
    });
    chmodSync(join(plain, 'requirements.txt'), 0o755);
    const keys = [plain, linked].map(async (dir) =>
      hashLayer(await dependencyLayer(dir, ['requirements.txt'])),
    );
    expect(await keys[0]).toEqual(await keys[1]);
  });

  test.for<[path: string, reason: string]>([
    ['missing.txt', 'is no existing file'],
    ['folder', 'is no existing file'],
    ['../x.txt', 'is not below the current directory'],
    ['/etc/passwd', 'is not below the current directory'],
    ['away', 'is not below the current directory'],
  ])('%s is refused', async ([path, reason], { expect }) => {
    const contextDir = aProject({ folder: 'DIRECTORY', away: { link: aFolder() } });
    await expect(dependencyLayer(contextDir, [path])).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: `The dependency file ${path} ${reason}.`,
    });
  });
});
