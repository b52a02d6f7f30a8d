import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { parseDockerignore } from '../../../../cli/pack/dockerignore.ts';
import type { LayerTree } from '../../../../cli/pack/layer-tree.ts';
import { layerTrees } from '../../../../cli/pack/layer-trees.ts';
import { tarBlocks } from '../../../../cli/pack/tar-blocks.ts';

/** What stands at a path of a project: a file's content, a script, a link or an empty directory. */
export type Content = string | Buffer | { script: string } | { link: string } | 'DIRECTORY';

/** A folder of its own, gone when the test ends. */
export function aFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'caliban-pack-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A project folder with these files. */
export function aProject(files: Readonly<Record<string, Content>>): string {
  const folder = aFolder();
  for (const [path, content] of Object.entries(files)) put(join(folder, path), content);
  return folder;
}

function put(path: string, content: Content): void {
  mkdirSync(content === 'DIRECTORY' ? path : dirname(path), { recursive: true });
  if (content === 'DIRECTORY') return;
  if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(path, content);
  else if ('link' in content) symlinkSync(content.link, path);
  else {
    writeFileSync(path, content.script);
    chmodSync(path, 0o755);
  }
}

/** The layer of one directory of a project. */
export async function aTree(contextDir: string, root = '.', dockerignore = ''): Promise<LayerTree> {
  const [layer] = await layerTrees({
    contextDir,
    roots: [root],
    rules: parseDockerignore(dockerignore),
  });
  if (layer === undefined) throw new Error('no layer');
  return layer.tree;
}

/** The whole tar in memory. */
export async function tarOf(tree: LayerTree): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of tarBlocks(tree)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Runs a system tool to its end; gives its output or fails with what it said. */
export function tool(command: string, args: readonly string[], input?: Buffer): Buffer {
  const result = spawnSync(command, args, { ...(input ? { input } : {}), maxBuffer: 1 << 28 });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${result.error ?? result.stderr}`);
  return result.stdout;
}

/** What the system's own tar makes of a tar: a folder with its contents. */
export function extract(tar: Buffer): string {
  const folder = aFolder();
  tool('tar', ['-x', '-p', '--no-same-owner', '-f', '-', '-C', folder], tar);
  return folder;
}

/** Runs `work` without the rights of root, which can read everything. */
export async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0 || process.seteuid === undefined) return work();
  process.seteuid(65534);
  try {
    return await work();
  } finally {
    process.seteuid(0);
  }
}
