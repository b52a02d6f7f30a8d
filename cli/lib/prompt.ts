import { AppError } from '../../shared/errors/app-error.ts';

/** Where a question goes and answers come from. */
export interface Dialogue {
  write(text: string): void;
  /** The next line without its end; undefined at the end of input. */
  nextLine(): Promise<string | undefined>;
}

/**
 * Asks a yes-or-no question until it is answered: empty input takes the default, `y` or `n` in any case decide, anything
 * else (also `yes`) asks again. Throws USAGE at the end of input.
 */
export async function confirm(
  dialogue: Dialogue,
  question: string,
  byDefault: boolean,
): Promise<boolean> {
  for (;;) {
    dialogue.write(`${question} [${byDefault ? 'Yn' : 'yN'}]: `);
    const answer = await dialogue.nextLine();
    if (answer === undefined) {
      throw new AppError('USAGE', `"${question}" was not answered: the input ended.`, {
        hint: 'Answer in advance with --yes.',
      });
    }
    if (answer === '') return byDefault;
    if (answer.toLowerCase() === 'y') return true;
    if (answer.toLowerCase() === 'n') return false;
  }
}

/**
 * Lines of an input stream, read only as far as they are asked for; undefined at its end. Rejects with the signal's reason when
 * it aborts, also while nobody types.
 */
export function linesOf(
  input: AsyncIterable<string | Uint8Array>,
  signal: AbortSignal,
): () => Promise<string | undefined> {
  const lines = splitLines(input);
  return async () => {
    const next = await unlessAborted(lines.next(), signal);
    return next.done === true ? undefined : next.value;
  };
}

// A terminal gives no way to take back a read: what it still gives later is dropped.
async function unlessAborted<T>(reading: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const interrupt = () => reject(signal.reason);
  if (signal.aborted) interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    return await Promise.race([reading, aborted]);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

async function* splitLines(input: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const chunk of input) {
    buffer += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = buffer.split(/\r?\n/);
    buffer = lines.pop() ?? '';
    yield* lines;
  }
  if (buffer !== '') yield buffer;
}
