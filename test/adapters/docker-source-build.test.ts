import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { settled } from '../contract/image-builder.ts';
import {
  dockerParts,
  printedIn,
  removeImages,
  requestWith,
  testDockerBuilder,
} from '../fixtures/docker-builder.ts';
import { openPackageIndex } from '../fixtures/package-index.ts';
import { temporaryDirectory } from '../fixtures/process-platform.ts';
import { hasPart } from '../fixtures/require.ts';
import { buildFixtureSource } from '../fixtures/venv-builder.ts';

const BODY = [
  "program = '/opt/caliban/uv/bin/uv'",
  'import os',
  'said = [str(os.getuid()), str(os.path.exists(program))]',
  "for path in ['/opt/caliban/uv/bin/new', '/opt/caliban/uv/new']:",
  '    try:',
  "        with open(path, 'ab') as file: said.append('written')",
  '    except OSError as error: said.append(os.strerror(error.errno))',
  "return ' '.join(said)",
];

describe.runIf(hasPart('docker'))(
  'a package that is built from source',
  { timeout: 120_000 },
  () => {
    test('is built, as root, and cannot change the installer', async ({
      expect,
      onTestFinished,
    }) => {
      const dir = await temporaryDirectory();
      onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
      const parts = await dockerParts();
      await buildFixtureSource(dir, { name: 'caliban_source', body: BODY });
      const index = await openPackageIndex(join(dir, 'wheels'));
      onTestFinished(index.close);
      const builder = testDockerBuilder(dir, parts);
      onTestFinished(() => builder.close());
      const lines = `# ${dir}\n--index-url http://127.0.0.1:${index.port}/simple\ncaliban-source\n`;
      const request = await requestWith(dir, 'source', { 'r.txt': lines });
      const { key, image } = { key: '', image: '', ...(await builder.plan(request)) };
      await builder.start({ key, attempt: 1, dependencies: request });
      const progress = await settled({ builder, pass: () => sleep(50) }, key, 1);
      expect(progress).toEqual({ state: 'ready' });
      onTestFinished(() => removeImages(parts, [image ?? '']));
      const command = ['python', '-c', 'import caliban_source as c; print(c.GREETING)'];
      const said = await printedIn(parts, image ?? '', { command });
      expect(said).toBe('0 True Read-only file system Read-only file system\n');
      // At most the empty place where it was.
      const look = ['sh', '-c', 'ls -A /opt/caliban/uv 2>/dev/null || true'];
      expect(await printedIn(parts, image ?? '', { command: look })).toBe('');
    });
  },
);
