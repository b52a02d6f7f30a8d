import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { eventually, terminal } from '../contract/platform.ts';
import {
  containersOf,
  type DockerPlatform,
  dockerDirectory,
  filesOf,
  openIn,
  scriptJob,
  waiter,
} from '../fixtures/docker-platform.ts';
import { hasPart } from '../fixtures/require.ts';

const BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** What a program prints (as Python) and what these bytes are. */
const OUTPUTS: readonly (readonly [name: string, print: string, bytes: Buffer])[] = [
  [
    'any bytes, also NUL and what is no UTF-8',
    'bytes(range(256)) * 40',
    Buffer.concat(Array(40).fill(BYTES)),
  ],
  ['megabytes in one line', "b'x' * 3_000_000 + b'\\n'", Buffer.from(`${'x'.repeat(3_000_000)}\n`)],
  ['no newline at the end', "b'first\\nlast'", Buffer.from('first\nlast')],
  [
    'lines around the size in which the engine keeps them',
    "b'\\n'.join(b'y' * n for n in (16383, 16384, 16385, 32768, 0, 1)) + b'\\n'",
    Buffer.from(`${[16383, 16384, 16385, 32768, 0, 1].map((n) => 'y'.repeat(n)).join('\n')}\n`),
  ],
  [
    'long lines of characters of many bytes',
    "'→'.encode() * 20_000",
    Buffer.from('→'.repeat(20_000)),
  ],
];

describe.runIf(hasPart('docker'))('the output of a container', () => {
  test.for(OUTPUTS)(
    '%s: exactly, by a service that lives',
    async ([, print, bytes], { expect, onTestFinished }) => {
      const dir = await dockerDirectory(onTestFinished);
      const platform = await openIn(dir, onTestFinished);
      const { ref } = await platform.submit(await pythonJob('prints', `w(${print})`));
      await terminal({ ...waiter, platform }, 'prints');
      expect((await logOf(dir, ref)).equals(bytes)).toBe(true);
    },
  );

  test('all of it exactly, by services that come and go in the middle of it', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    // The newline of a long line at the very end is the one thing that the engine does not always keep.
    const lines = [
      ...OUTPUTS.map(([, print]) => `w(${print} + b'|\\n'); time.sleep(0.4)`),
      "w(b'end')",
    ];
    let platform = await openIn(dir, onTestFinished);
    const { ref } = await platform.submit(await pythonJob('long', lines.join('\n')));
    const sizes = new Set<number>();
    for (let turn = 0; turn < 4; turn++) {
      const size = (await logOf(dir, ref)).length;
      await eventually(waiter, async () =>
        (await logOf(dir, ref)).length > size || (await ended(platform, 'long')) ? true : undefined,
      );
      await platform.close();
      sizes.add((await logOf(dir, ref)).length);
      platform = await openIn(dir, onTestFinished);
    }
    await terminal({ ...waiter, platform }, 'long');
    const printed = OUTPUTS.flatMap(([, , bytes]) => [bytes, Buffer.from('|\n')]);
    const expected = Buffer.concat([...printed, Buffer.from('end')]);
    expect((await logOf(dir, ref)).equals(expected)).toBe(true);
    expect(sizes.size).toBeGreaterThan(1);
  });

  test('what a service had of a log stays as it is when another one goes on with it', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const script =
      'for i in range(300):\n  w(b"o%d\\n" % i)\n  e(b"e%d\\n" % i)\n  time.sleep(0.01)';
    const first = await openIn(dir, onTestFinished);
    const { ref } = await first.submit(await pythonJob('both', script));
    await eventually(waiter, async () => ((await logOf(dir, ref)).length > 400 ? true : undefined));
    await first.close();
    const before = await logOf(dir, ref);
    const platform = await openIn(dir, onTestFinished);
    await terminal({ ...waiter, platform }, 'both');
    const log = await logOf(dir, ref);
    expect(log.subarray(0, before.length).equals(before)).toBe(true);
    const numbers = Array.from({ length: 300 }, (_, i) => i);
    const printed = log.toString().split('\n').filter(Boolean);
    expect(printed.filter((line) => line.startsWith('o'))).toEqual(numbers.map((i) => `o${i}`));
    expect(printed.filter((line) => line.startsWith('e'))).toEqual(numbers.map((i) => `e${i}`));
    expect(printed).toHaveLength(600);
  });

  test('the log is whole when the container is gone, and nothing else of it is left', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const { ref } = await platform.submit(await pythonJob('gone', 'w(b"all")'));
    await eventually(waiter, async () => {
      const isOver = await ended(platform, 'gone');
      return isOver && (await containersOf(dir)).length === 0 ? true : undefined;
    });
    expect(await platform.readLog(ref, '', 100)).toEqual({ text: 'all', next: '3', ended: true });
    await expect(readFile(join(filesOf(dir, ref), 'log.parts'))).rejects.toThrow('ENOENT');
  });
});

/** A Python program with `w` and `e`, which print bytes to stdout and stderr at once. */
async function pythonJob(jobId: string, code: string) {
  const head = [
    'import sys, time',
    'def put(f, b):\n  f.buffer.write(b); f.flush()',
    'w = lambda b: put(sys.stdout, b)',
    'e = lambda b: put(sys.stderr, b)',
  ];
  const job = await scriptJob(jobId, '');
  return { ...job, command: ['python3', '-c', [...head, code].join('\n')] };
}

async function ended(platform: DockerPlatform, jobId: string): Promise<boolean> {
  const [seen] = await platform.find(jobId);
  return seen !== undefined && seen.finishedAt !== null;
}

function logOf(dir: string, ref: string): Promise<Buffer> {
  return readFile(join(filesOf(dir, ref), 'log')).catch(() => Buffer.alloc(0));
}
