import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A tree as of a project, below `trainer/` with `train.py`: so many files in folders of 100, of so many bytes together. */
export function makeSourceTree(
  contextDir: string,
  { files, bytes }: { readonly files: number; readonly bytes: number },
): void {
  const each = Math.floor(bytes / files);
  // As compressible as source: the same words, never in the same order.
  const text = Buffer.from(words(each + files * STEP));
  for (let file = 0; file < files; file++) {
    const folder = Math.floor(file / 100);
    const below = join(contextDir, 'trainer', `part${folder % 10}`, `folder${folder}`);
    if (file % 100 === 0) mkdirSync(below, { recursive: true });
    writeFileSync(join(below, `module_${file}.py`), text.subarray(file * STEP, file * STEP + each));
  }
  writeFileSync(join(contextDir, 'trainer', 'train.py'), 'print(1)\n');
}

const STEP = 97;
const VOCABULARY = Array.from({ length: 2_000 }, (_, i) => `name_${(i * i * 7_919) % 100_003}`);
const SIGNS = [' = ', '(', ')\n    ', ', ', '.', ' + ', '[', ']\n', ': ', ' return '];

function words(length: number): string {
  let seed = 1;
  const parts: string[] = [];
  for (let made = 0; made < length; ) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    const part = `${VOCABULARY[seed % VOCABULARY.length]}${SIGNS[(seed >> 8) % SIGNS.length]}`;
    parts.push(part);
    made += part.length;
  }
  return parts.join('');
}
