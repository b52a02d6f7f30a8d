import fc from 'fast-check';
import { test } from 'vitest';
import {
  buildArguments,
  runDockerfile,
} from '../../../../../../../functions/adapters/local/docker/images/run-image-build.ts';

const HOSTILE = fc.constantFrom(
  '\n',
  '\r',
  '\\',
  '"',
  "'",
  '$',
  '`',
  '#',
  '<',
  '\u2028',
  '\0',
  'a',
  'é',
  '😀',
);

test('a build lays one layer after the other on the base', ({ expect }) => {
  const text = runDockerfile('caliban/base:abc', { layers: ['aa', 'bb'], entrypoint: ['python'] });
  expect(text.split('\n')).toEqual([
    'FROM caliban/base:abc',
    'ADD aa.tar /',
    'ADD bb.tar /',
    'LABEL dev.caliban.kind=run',
    'ENTRYPOINT ["python"]',
    '',
  ]);
  expect(buildArguments('caliban/run:1', '/tmp/x/Dockerfile', '/tmp/x')).toEqual([
    'build',
    '--quiet',
    '--network=none',
    '--tag',
    'caliban/run:1',
    '--file',
    '/tmp/x/Dockerfile',
    '/tmp/x',
  ]);
});

test('no word of an entry point can begin another instruction', ({ expect }) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: HOSTILE })), (entrypoint) => {
      const text = runDockerfile('b', { layers: [], entrypoint });
      const [from, label, last, end, ...more] = text.split('\n');
      expect([from, label, end, more]).toEqual(['FROM b', 'LABEL dev.caliban.kind=run', '', []]);
      expect(last).toMatch(/^ENTRYPOINT \[.*\]$/s);
      expect(JSON.parse(last?.replace('ENTRYPOINT ', '') ?? '')).toEqual(entrypoint);
    }),
  );
});
