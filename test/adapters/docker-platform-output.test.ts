import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { eventually, terminal } from '../contract/platform.ts';
import {
  containersOf,
  type DockerPlatform,
  dockerDirectory,
  filesOf,
  onlyContainer,
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
  ['no newline at the end', "b'first\\nlast'", Buffer.from('first\nlast')],
];

describe.runIf(hasPart('docker'))('the output of a container', () => {
  test('is in the log exactly, by a service that lives', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const code = OUTPUTS.map(([, print]) => `w(${print})`).join('\n');
    const { ref } = await platform.submit(await pythonJob('prints', code));
    await terminal({ ...waiter, platform }, 'prints');
    const log = await logOf(dir, ref);
    let at = 0;
    for (const [name, , bytes] of OUTPUTS) {
      expect(log.subarray(at, at + bytes.length).equals(bytes), name).toBe(true);
      at += bytes.length;
    }
    expect(log).toHaveLength(at);
  });

  test('is there exactly, by services that come and go in the middle of it', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    // The newline of a long line at the very end is the one thing that the engine does not always keep.
    const steps = [
      "w(b'half a line<end>'); wait()",
      ...OUTPUTS.map(([, print]) => `w(${print} + b'<end>\\n'); wait()`),
      "w(b'last')",
    ];
    let platform = await openIn(dir, onTestFinished);
    const { ref } = await platform.submit(await pythonJob('long', steps.join('\n')));
    for (let step = 1; step < steps.length; step++) {
      await eventually(waiter, async () =>
        String(await logOf(dir, ref)).split('<end>').length > step ? true : undefined,
      );
      await platform.close();
      await (await onlyContainer(dir)).kill({ signal: 'SIGUSR1' });
      platform = await openIn(dir, onTestFinished);
    }
    await terminal({ ...waiter, platform }, 'long');
    const printed = OUTPUTS.flatMap(([, , bytes]) => [bytes, Buffer.from('<end>\n')]);
    const expected = Buffer.concat([
      Buffer.from('half a line<end>'),
      ...printed,
      Buffer.from('last'),
    ]);
    expect((await logOf(dir, ref)).equals(expected)).toBe(true);
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

/** A Python program with `w` and `e`, which print bytes to stdout and stderr at once, and `wait`, until it gets USR1. */
async function pythonJob(jobId: string, code: string) {
  const head = [
    'import signal, sys, time',
    'signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})',
    'wait = lambda: signal.sigwait({signal.SIGUSR1})',
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
