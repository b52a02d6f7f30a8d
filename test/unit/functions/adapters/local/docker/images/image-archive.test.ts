import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import { describe, test } from 'vitest';
import type { SentLayer } from '../../../../../../../functions/adapters/images/sent-layer.ts';
import { imageArchive } from '../../../../../../../functions/adapters/local/docker/images/image-archive.ts';
import { parseTarHeader } from '../../../../../../../shared/layers/tar-header.ts';

const IMAGE = {
  id: 'sha256:c0nf1g',
  tag: 'caliban/run:1',
  config: '{"os":"linux"}',
  diffIds: ['sha256:base', 'sha256:aa', 'sha256:bb', 'sha256:aa'],
  layers: ['aa', 'bb', 'aa'],
  entrypoint: ['true'],
};

describe('an image in parts', () => {
  test('has configuration, manifest and each layer that is given once', async ({ expect }) => {
    const layers = [aLayer('aa', 700), aLayer('bb', 512), aLayer('aa', 700)];
    const entries = await entriesOf(imageArchive(IMAGE, layers));
    expect([...entries.keys()]).toEqual(['c0nf1g.json', 'manifest.json', 'aa.tar', 'bb.tar']);
    expect(String(entries.get('c0nf1g.json'))).toBe(IMAGE.config);
    expect(JSON.parse(String(entries.get('manifest.json')))).toEqual([
      {
        Config: 'c0nf1g.json',
        RepoTags: ['caliban/run:1'],
        Layers: ['base.tar', 'aa.tar', 'bb.tar', 'aa.tar'],
      },
    ]);
    expect(entries.get('aa.tar')?.length).toBe(700);
    expect(entries.get('bb.tar')?.length).toBe(512);
  });

  test('a layer with another length than it was said to have is an error', async ({ expect }) => {
    const layer = { ...aLayer('aa', 700), size: 701 };
    await expect(entriesOf(imageArchive(IMAGE, [layer]))).rejects.toThrow('700 bytes');
  });

  test('a layer of more than 8 GiB has its size', async ({ expect }) => {
    const size = 20 * 1024 ** 3;
    const pieces: Uint8Array[] = [];
    const sent = async () => {
      const archive = imageArchive(IMAGE, [{ ...aLayer('aa', 0), size }]);
      for await (const piece of archive) pieces.push(piece);
    };
    await expect(sent()).rejects.toThrow('0 bytes');
    const { name, ...header } = parseTarHeader(lastOf(pieces));
    expect(String(Buffer.from(name))).toBe('aa.tar');
    expect(header).toMatchObject({ size });
  });
});

function lastOf(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.findLast(({ length }) => length > 0) ?? new Uint8Array();
}

function aLayer(diffId: string, size: number): SentLayer {
  return { diffId, size, open: async () => Readable.from([Buffer.alloc(size, 'x')]) };
}

async function entriesOf(archive: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  const pieces: Uint8Array[] = [];
  for await (const piece of archive) pieces.push(piece);
  const reader = extract();
  reader.on('entry', (header, stream, next) => {
    buffer(stream).then((content) => {
      entries.set(header.name, content);
      next();
    }, next);
  });
  const ended = once(reader, 'finish');
  reader.end(Buffer.concat(pieces));
  await ended;
  return entries;
}
