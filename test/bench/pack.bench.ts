import { spawnSync } from 'node:child_process';
import { rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createPacker } from '../../cli/pack/packer.ts';
import { benchFolder } from './bench-service.ts';
import { ms, report, rounds } from './measure.ts';
import { sizes } from './sizes.ts';
import { makeSourceTree } from './source-tree.ts';

// Packing and hashing a tree that nobody packed before against `tar -cf - | sha256sum` of it; and spooling it compressed, as an
// upload needs it, against `tar -czf`. The tree is in the page cache for all.
const { files, megabytes, zipped, count } = sizes({
  ...{ files: 20_000, megabytes: 1_000, count: 3 },
  /** Megabytes of what is compressed, with as many files for each. */
  zipped: 200,
});
const folder = await benchFolder();
const large = join(folder, 'large');
const small = join(folder, 'small');
const packer = createPacker();
let cache = 0;

function shell(cwd: string, script: string): void {
  const { status } = spawnSync('sh', ['-c', script], { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${script}: ${status}`);
}

async function pack(contextDir: string) {
  const { layers } = await packer.pack({
    contextDir,
    cacheDir: join(folder, `cache${cache++}`),
    module: 'trainer.train',
    extraDirs: [],
    extras: [],
    mode: 'cpu',
    signal: new AbortController().signal,
    note: () => {},
  });
  return layers;
}

async function compress(): Promise<void> {
  for (const layer of await pack(small)) await unlink((await layer.spool()).path);
}

function treeOf(size: number): { files: number; bytes: number; text: string } {
  const some = Math.ceil((files * size) / megabytes);
  const text = `${some.toLocaleString('en')} files, ${size.toLocaleString('en')} MB`;
  return { files: some, bytes: size * 1e6, text };
}

try {
  makeSourceTree(large, treeOf(megabytes));
  const times = await rounds(count, {
    pack: () => pack(large),
    tar: () => shell(large, 'tar -cf - trainer | sha256sum > /dev/null'),
  });
  const best = (name: string): number => Math.min(...(times[name] ?? []));
  report({
    what: `packing and hashing ${treeOf(megabytes).text} (\`pack\`)`,
    ratio: best('pack') / best('tar'),
    target: '≤ 1.2',
    measured: ms(best('pack')),
    baseline: `\`tar -cf - \\| sha256sum\`: ${ms(best('tar'))}`,
  });
  await rm(large, { recursive: true });
  makeSourceTree(small, treeOf(zipped));
  const once = await rounds(1, {
    compress,
    gzip: () => shell(small, 'tar -czf ../tree.tar.gz trainer'),
    gzip4: () => shell(small, 'tar -cf - trainer | gzip -4 > ../tree.tar.gz'),
  });
  const took = (name: string): number => once[name]?.[0] ?? 0;
  report({
    what: `packing, hashing and compressing ${treeOf(zipped).text} for an upload (\`pack\`)`,
    ratio: took('compress') / took('gzip'),
    measured: ms(took('compress')),
    baseline: `\`tar -czf\`: ${ms(took('gzip'))}; with \`gzip -4\`, our level: ${ms(took('gzip4'))}`,
  });
} finally {
  await packer.dispose();
  await rm(folder, { recursive: true });
}
