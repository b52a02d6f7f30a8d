import { Readable } from 'node:stream';
import { describe, test } from 'vitest';
import { archiveBytes } from '../../../../../../../functions/adapters/local/docker/containers/archive-bytes.ts';

const LONG_MS = 60_000;

describe('bytes of a stream of the engine', () => {
  test('come as many as are wanted, wherever the pieces end', async ({ expect }) => {
    const pieces = ['ab', 'c', 'defgh', 'i'].map((text) => Buffer.from(text));
    const bytes = archiveBytes(Readable.from(pieces), LONG_MS);
    expect(String(await bytes.take(4))).toBe('abcd');
    await bytes.skip(2);
    expect(String(await bytes.some(10))).toBe('gh');
    expect(String(await bytes.take(1))).toBe('i');
    await expect(bytes.take(1)).rejects.toThrow('only a part');
  });

  test('that do not come any more are not waited for, and the stream is ended', async ({
    expect,
  }) => {
    const stream = new Readable({ read: () => undefined });
    stream.push('a');
    const bytes = archiveBytes(stream, 20);
    expect(String(await bytes.take(1))).toBe('a');
    await expect(bytes.take(1)).rejects.toMatchObject({ name: 'EngineSilent', why: 'late' });
    expect(stream.destroyed).toBe(true);
  });
});
