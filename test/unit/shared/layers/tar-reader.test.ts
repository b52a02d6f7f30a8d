import fc from 'fast-check';
import { describe, test } from 'vitest';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import { createTarReader, type TarEntry } from '../../../../shared/layers/tar-reader.ts';
import { HONEST_ARCHIVES } from '../../../contract/archives.ts';
import { aFile, anEntry, aTar, paxHeader } from '../../../doubles/tar-builder.ts';

const GIBIBYTE = 1024 ** 3;

interface Read {
  readonly entry: TarEntry;
  readonly content: string;
}

/** All entries with their content, of a tar that arrives in these pieces. */
function readAll(pieces: readonly Uint8Array[]): Read[] {
  const reader = createTarReader();
  const read: { entry: TarEntry; content: string }[] = [];
  for (const piece of pieces) {
    for (const event of reader.push(piece)) {
      if (event.kind === 'entry') read.push({ entry: event.entry, content: '' });
      else (read.at(-1) ?? { content: '' }).content += Buffer.from(event.bytes).toString('latin1');
    }
  }
  reader.end();
  return read;
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const sorted = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

function outcome(bytes: Uint8Array): unknown {
  try {
    return readAll([bytes]);
  } catch (error) {
    return error;
  }
}

describe('createTarReader', () => {
  test('gives entries with their content', ({ expect }) => {
    const tar = aTar(
      aFile('a.py', 'x = 1\n'),
      anEntry({ name: 'bin/', type: '5' }),
      anEntry({ name: 'bin/run', content: '#!', mode: 0o755 }),
      anEntry({ name: 'l', type: '2', linkName: 'a.py' }),
    );
    const file = { kind: 'file', linkTarget: '', executable: false };
    expect(readAll([tar])).toEqual([
      { entry: { ...file, path: 'a.py', size: 6 }, content: 'x = 1\n' },
      { entry: { ...file, path: 'bin', kind: 'directory', size: 0 }, content: '' },
      { entry: { ...file, path: 'bin/run', size: 2, executable: true }, content: '#!' },
      { entry: { ...file, path: 'l', kind: 'symlink', linkTarget: 'a.py', size: 0 }, content: '' },
    ]);
  });

  test('where the pieces are cut makes no difference', ({ expect }) => {
    const tars = fc.constantFrom(...HONEST_ARCHIVES.map(({ tar }) => tar));
    fc.assert(
      fc.property(tars, fc.array(fc.nat(), { maxLength: 30 }), (tar, cuts) => {
        expect(readAll(cutAt(tar, cuts))).toEqual(readAll([tar]));
      }),
    );
    for (const { tar } of HONEST_ARCHIVES) {
      expect(readAll(Array.from(tar, (byte) => Uint8Array.of(byte)))).toEqual(readAll([tar]));
    }
  });

  test('damaged archives are refused or read, and never break the reader', ({ expect }) => {
    const tars = fc.constantFrom(...HONEST_ARCHIVES.map(({ tar }) => tar));
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 });
    let refused = 0;
    fc.assert(
      fc.property(tars, damage, (tar, changes) => {
        const bytes = Buffer.from(tar);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const result = outcome(bytes);
        const isRefusal = isAppError(result, 'LAYER_INVALID');
        refused += isRefusal ? 1 : 0;
        expect(isRefusal || Array.isArray(result)).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(20);
  });

  test('sizes beyond 8 GiB come from base-256 or from pax', ({ expect }) => {
    const size = 9 * GIBIBYTE;
    const field = Buffer.alloc(12);
    field.writeUInt8(0x80, 0);
    field.writeBigUInt64BE(BigInt(size), 4);
    for (const entry of [
      anEntry({ name: 'a', size: field }),
      Buffer.concat([paxHeader({ size: `${size}` }), anEntry({ name: 'a', size: 0 })]),
    ]) {
      const [event] = createTarReader().push(entry);
      expect(event).toMatchObject({ kind: 'entry', entry: { path: 'a', size } });
    }
  });

  test('a huge extension header is refused at its header, before any of it is kept', ({
    expect,
  }) => {
    const reader = createTarReader();
    const header = anEntry({ name: 'x', type: 'x', size: 9 * GIBIBYTE - 1 - GIBIBYTE });
    expect(() => reader.push(header)).toThrow('the limit is 16384');
  });
});
