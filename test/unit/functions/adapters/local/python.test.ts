import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { createInterpreterResolver } from '../../../../../functions/adapters/local/python.ts';

describe('the interpreter of this machine', () => {
  test('python3 comes before python, and is asked once', async ({ expect, onTestFinished }) => {
    const path = await machineWith(onTestFinished, { python3: '3.12.1', python: '3.9.0' });
    const resolve = createInterpreterResolver({ path });
    const interpreter = await resolve();
    expect(interpreter).toEqual({
      python: '/opt/python3',
      version: '3.12.1',
      implementation: 'cpython',
    });
    await rm(path, { recursive: true });
    expect(await resolve()).toEqual(interpreter);
  });

  test('an old python3 does not hide a newer python', async ({ expect, onTestFinished }) => {
    const path = await machineWith(onTestFinished, { python3: '3.7.9', python: '3.8.0' });
    expect(await createInterpreterResolver({ path })()).toMatchObject({ version: '3.8.0' });
  });

  test('one that is too old is named, with what to install', async ({ expect, onTestFinished }) => {
    const path = await machineWith(onTestFinished, { python3: '3.7.9' });
    await expect(createInterpreterResolver({ path })()).rejects.toMatchObject({
      code: 'PYTHON_MISSING',
      message: expect.stringContaining('/opt/python3 is 3.7.9'),
      hint: expect.stringMatching(/apt-get install python3.*xcode-select/),
    });
  });

  test('once it was installed it is found', async ({ expect, onTestFinished }) => {
    const path = await machineWith(onTestFinished, { python: 'nonsense' });
    const resolve = createInterpreterResolver({ path });
    await expect(resolve()).rejects.toMatchObject({ code: 'PYTHON_MISSING' });
    await install(path, 'python3', '3.13.0');
    expect(await resolve()).toMatchObject({ version: '3.13.0' });
  });
});

/** A search path with pretended interpreters of these versions. */
async function machineWith(
  onTestFinished: (work: () => Promise<void>) => void,
  versions: Readonly<Record<string, string>>,
): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  for (const [name, version] of Object.entries(versions)) await install(path, name, version);
  return path;
}

async function install(path: string, name: string, version: string): Promise<void> {
  const answer = version === 'nonsense' ? 'no json' : `["${version}", "/opt/${name}", "cpython"]`;
  await writeFile(join(path, name), `#!/bin/sh\necho '${answer}'\n`);
  await chmod(join(path, name), 0o755);
}
