import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { DIFFERENCE_KINDS } from '../../../shared/api/check.ts';

const PAGE = readFileSync(new URL('../../../docs/operating.md', import.meta.url), 'utf8');

test('docs/operating.md has a row for each kind of difference, and none for another', ({
  expect,
}) => {
  const section = PAGE.split('## Check\n')[1]?.split('\n## ')[0] ?? '';
  const rows = Array.from(section.matchAll(/^\| `([a-z]+)` \| \S.* \|$/gm), ([, kind]) => kind);
  expect(rows.toSorted()).toEqual([...DIFFERENCE_KINDS].toSorted());
});
