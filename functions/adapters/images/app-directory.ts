import { createHash } from 'node:crypto';
import { TAR_BLOCK } from '../../../shared/layers/tar-header.ts';
import type { SentLayer } from './sent-layer.ts';
import { tarHeader } from './tar-header.ts';

/**
 * The top layer of a run image: only the directory `/usr/app`, which all may write to, as dependency images have it. Code layers hold
 * no entry for it, and the engine gives a directory that a layer does not name to root (moby, pkg/archive/diff.go: each layer has its
 * own, and the topmost counts).
 */
export function appDirectoryLayer(): SentLayer {
  const header = tarHeader({
    name: 'usr/app/',
    size: 0,
    kind: 'directory',
    mode: '777',
    owner: 1000,
  });
  const tar = Buffer.concat([header, Buffer.alloc(2 * TAR_BLOCK)]);
  const diffId = createHash('sha256').update(tar).digest('hex');
  return { diffId, size: tar.length, open: async () => piecesOf(tar) };
}

async function* piecesOf(tar: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield tar;
}
