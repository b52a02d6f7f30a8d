import { styleText } from 'node:util';
import { variable } from './env.ts';
import type { Io, OutputStream } from './io.ts';

type Style = Parameters<typeof styleText>[0];

/** Thrown by writes to stdout once its reader has gone (`caliban status | head`); the program then ends quietly. */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed';
}

/** Where commands print: data to stdout, everything else to stderr. */
export interface Output {
  /** Whether a person sees both streams as they are written: then views may be redrawn and questions asked. */
  readonly interactive: boolean;
  /** Writes text or bytes as they are to stdout and waits until they were taken; throws StdoutClosed. */
  raw(text: string | Uint8Array): Promise<void>;
  /** Writes one or more lines to stdout; throws StdoutClosed. */
  line(text?: string): Promise<void>;
  /** Writes a value as indented JSON to stdout; throws StdoutClosed. */
  json(value: unknown): Promise<void>;
  /** Writes a line for people to stderr. */
  note(text: string): void;
  /** Styles text for stderr, when it shows colours. */
  style(style: Style, text: string): string;
}

/** Printing over the two streams. */
export function createOutput(io: Pick<Io, 'stdin' | 'stdout' | 'stderr' | 'env'>): Output {
  const { stdout, stderr } = io;
  const inCi = variable(io.env, 'CI') !== undefined;
  const colours =
    stderr.isTTY === true &&
    variable(io.env, 'NO_COLOR') === undefined &&
    io.env['TERM'] !== 'dumb';
  const gone = watchPipe(stdout);
  watchPipe(stderr);

  const raw = async (text: string | Uint8Array): Promise<void> => {
    if (gone()) throw new StdoutClosed();
    await written(stdout, text);
  };
  return {
    interactive: stdout.isTTY === true && stderr.isTTY === true && !inCi,
    raw,
    line: (text = '') => raw(`${text}\n`),
    json: (value) => raw(`${JSON.stringify(value, null, 2)}\n`),
    note(text) {
      stderr.write(`${text}\n`);
    },
    style: (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** Text from elsewhere made safe for a terminal: control characters could move the cursor or hide text. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '\uFFFD');
}

// Without a listener the 'error' event of a closed pipe would end the process with a stack trace.
function watchPipe(stream: OutputStream): () => boolean {
  let gone = false;
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    gone = true;
  });
  return () => gone;
}

function written(stream: OutputStream, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else reject('code' in error && error.code === 'EPIPE' ? new StdoutClosed() : error);
    });
  });
}
