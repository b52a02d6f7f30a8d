import { createInterface } from 'node:readline';
import { PassThrough, type Readable } from 'node:stream';
import type Docker from 'dockerode';
import { parseTimestamp } from '../google-api/comparing.ts';
import type { OutputLine } from './executor.ts';

/**
 * Reads all that a container writes, line by line, with the engine's times, until it ends. What the engine had not handed over by
 * then is read once more: a follower of a short container may miss its last lines.
 */
export async function readOutput(
  docker: Docker,
  container: Docker.Container,
  output: (line: OutputLine) => void,
): Promise<void> {
  const options = { stdout: true, stderr: true, timestamps: true } as const;
  const given = { stdout: 0, stderr: 0 };
  const followed = demuxed(docker, await container.logs({ ...options, follow: true }));
  await eachLine(followed, (line) => {
    given[line.stream] += 1;
    output(line);
  });
  await container.wait();
  const all = new PassThrough();
  all.end(await container.logs({ ...options, follow: false }));
  const seen = { stdout: 0, stderr: 0 };
  await eachLine(demuxed(docker, all), (line) => {
    seen[line.stream] += 1;
    if (seen[line.stream] > given[line.stream]) output(line);
  });
}

interface Streams {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

function demuxed(docker: Docker, raw: NodeJS.ReadableStream): Streams {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  docker.modem.demuxStream(raw, stdout, stderr);
  raw.once('close', () => {
    stdout.end();
    stderr.end();
  });
  return { stdout, stderr };
}

async function eachLine(streams: Streams, take: (line: OutputLine) => void): Promise<void> {
  await Promise.all([
    readLines(streams.stdout, 'stdout', take),
    readLines(streams.stderr, 'stderr', take),
  ]);
}

async function readLines(
  input: Readable,
  stream: OutputLine['stream'],
  take: (line: OutputLine) => void,
): Promise<void> {
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const [time = ''] = line.split(' ', 1);
    take({ stream, text: line.slice(time.length + 1), timestamp: parseTimestamp(time) });
  }
}
