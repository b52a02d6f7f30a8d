import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import type Docker from 'dockerode';
import { parseTimestamp } from '../google-api/comparing.ts';
import type { OutputLine } from './executor.ts';

/** Reads all that a container writes, line by line, with the engine's times, until it ends. */
export async function readOutput(
  docker: Docker,
  container: Docker.Container,
  output: (line: OutputLine) => void,
): Promise<void> {
  const options = { stdout: true, stderr: true, timestamps: true } as const;
  const raw = await container.logs({ ...options, follow: true });
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  docker.modem.demuxStream(raw, stdout, stderr);
  raw.once('close', () => {
    stdout.end();
    stderr.end();
  });
  await Promise.all([readLines(stdout, 'stdout', output), readLines(stderr, 'stderr', output)]);
}

async function readLines(
  input: PassThrough,
  stream: OutputLine['stream'],
  output: (line: OutputLine) => void,
): Promise<void> {
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const [time = ''] = line.split(' ', 1);
    output({ stream, text: line.slice(time.length + 1), timestamp: parseTimestamp(time) });
  }
}
