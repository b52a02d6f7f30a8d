import { describe, test } from 'vitest';
import { requirementFiles } from '../../../../../functions/adapters/images/requirement-files.ts';

describe('requirementFiles', () => {
  test('included files come along, each once, also in a circle', async ({ expect }) => {
    const { names } = await read(
      {
        'req/all.txt': '-r ../base.txt\n-c pins/c.txt\nnumpy\n',
        'base.txt': '-r req/all.txt\n',
        'req/pins/c.txt': 'numpy==2\n',
        'train.py': '',
      },
      './req/all.txt',
    );
    expect(names).toEqual(['req/all.txt', 'base.txt', 'req/pins/c.txt']);
  });

  test('a file that is not in the layer is named, with the line that includes it', async ({
    expect,
  }) => {
    const files = { 'r.txt': 'numpy\n-r more.txt\n', 'out.txt': '-c ../c.txt' };
    await expect(read(files, 'r.txt')).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: 'more.txt, named by r.txt (-r more.txt), is not among the dependency files.',
    });
    await expect(read(files, 'out.txt')).rejects.toThrow(/\.\.\/c\.txt, named by out\.txt/);
    await expect(read(files, 'gone.txt')).rejects.toThrow(/^gone\.txt is not among/);
    await expect(requirementFiles(never, { layer: null, path: 'r.txt' })).rejects.toThrow(
      /^r\.txt/,
    );
    await expect(requirementFiles(never, { layer: 'l', path: '/etc/passwd' })).rejects.toThrow(
      /^\/etc/,
    );
  });

  test('a line that needs local files is shown', async ({ expect }) => {
    await expect(read({ 'r.txt': 'six\n-e .[dev]\n' }, 'r.txt')).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringMatching(/^The line "-e \.\[dev\]" of r\.txt needs local files/),
    });
  });

  test('a chain of files without end is cut', async ({ expect }) => {
    const endless = async (_layer: string, path: string) => Buffer.from(`-r x${path}`);
    const reading = requirementFiles(endless, { layer: 'l', path: 'r.txt' });
    await expect(reading).rejects.toThrow('r.txt includes more than 50 files.');
  });
});

async function read(files: Readonly<Record<string, string>>, path: string) {
  const found = await requirementFiles(
    async (layer, name) => {
      const text = layer === 'l' ? files[name] : undefined;
      return text === undefined ? undefined : Buffer.from(text);
    },
    { layer: 'l', path },
  );
  return { names: [...found.keys()] };
}

function never(): never {
  throw new Error('nothing is to be read');
}
