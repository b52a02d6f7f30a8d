import { describe, test } from 'vitest';
import {
  type Change,
  wantedFiles,
} from '../../../../../../../functions/adapters/local/docker/containers/changed-paths.ts';

describe('of what changed in a container', () => {
  test.for<[what: string, paths: string[]]>([
    ['nothing', []],
    ['what is elsewhere', ['C /tmp', 'A /tmp/x', 'C /usr', 'A /usr/application', 'A /usr/app.txt']],
    ['byte code', ['C /usr/app', 'A /usr/app/__pycache__', 'A /usr/app/__pycache__/m.pyc']],
    ['byte code half written', ['C /usr/app', 'A /usr/app/__pycache__/m.cpython-311.pyc.1234']],
    ['byte code in a package', ['C /usr/app/pkg', 'A /usr/app/pkg/__pycache__']],
    ['what was deleted', ['C /usr/app', 'C /usr/app/data', 'D /usr/app/data/x']],
  ])('%s is not wanted', ([, paths], { expect }) => {
    expect(wantedFiles(changes(paths))).toBeNull();
  });

  test('only the topmost of what was added is asked for, and files that were modified', ({
    expect,
  }) => {
    const wanted = wantedFiles(
      changes([
        ...['C /usr/app', 'A /usr/app/out', 'A /usr/app/out/a', 'A /usr/app/out/b/c'],
        ...['C /usr/app/data', 'C /usr/app/data/old', 'A /usr/app/data/new', 'A /usr/app/outer'],
      ]),
    );
    expect(wanted?.archives).toEqual(['data/new', 'data/old', 'out', 'outer']);
    const isWanted = (path: string) => wanted?.isWanted(path, false);
    expect(['out/b/c', 'out/b/later', 'data/new', 'data/old'].map(isWanted)).toEqual(
      Array(4).fill(true),
    );
    expect(['data/other', 'train.py', 'out/__pycache__/m.pyc'].map(isWanted)).toEqual(
      Array(3).fill(false),
    );
    expect(wanted?.isWanted('data/old', true)).toBe(false);
  });

  test('much is asked for at once, and so is a name that cannot be said', ({ expect }) => {
    const many = Array.from({ length: 51 }, (_, i) => `A /usr/app/f${i}`);
    expect(wantedFiles(changes(many.slice(1)))?.archives).toHaveLength(50);
    const wanted = wantedFiles(changes(['C /usr/app', ...many]));
    expect(wanted?.archives).toEqual(['']);
    expect([wanted?.isWanted('f3', false), wanted?.isWanted('g', false)]).toEqual([true, false]);
    expect(wantedFiles(changes(['A /usr/app/\uFFFD']))?.archives).toEqual(['']);
  });
});

const KINDS: Readonly<Record<string, Change['kind']>> = { A: 'added', C: 'modified', D: 'deleted' };

/** As `docker diff` writes them. */
function changes(lines: readonly string[]): Change[] {
  return lines.map((line) => ({ path: line.slice(2), kind: KINDS[line[0] ?? ''] ?? 'added' }));
}
