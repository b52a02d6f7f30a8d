import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { expandHome } from './env.ts';
import type { Io } from './io.ts';

/** Why nothing happens; the caller ends the sentence. */
export const NO_EXPERIMENT = 'The experiment config stands for no experiment (an empty list?)';

/**
 * The text of an experiment config: a file, or standard input for `-` or the word `stdin` in any case. Throws USAGE for what
 * cannot be read, CONFIG_TOO_LARGE, CONFIG_SYNTAX for what is no UTF-8.
 */
export async function readConfig(
  io: Pick<Io, 'stdin' | 'cwd' | 'home'>,
  source: string,
): Promise<string> {
  const fromInput = source === '-' || source.toLowerCase() === 'stdin';
  const bytes = fromInput ? await readInput(io.stdin) : await readConfigFile(io, source);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('CONFIG_SYNTAX', `${source} is not UTF-8 text.`, {
      hint: 'Save the experiment config as UTF-8.',
      cause,
    });
  }
}

async function readConfigFile(io: Pick<Io, 'cwd' | 'home'>, source: string): Promise<Uint8Array> {
  const path = resolve(io.cwd, expandHome(source, io.home));
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new AppError('USAGE', `${source} is not a file.`);
    if (found.size > LIMITS.configBytes) throw tooLarge(source, `${found.size} bytes`);
    return await readFile(path);
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) throw error;
    const reason = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`;
    throw new AppError('USAGE', `The experiment config ${source} ${reason}.`, {
      hint: 'Give the path of a file, or - for standard input.',
      cause: error,
    });
  }
}

async function readInput(stdin: Io['stdin']): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    size += bytes.length;
    if (size > LIMITS.configBytes) throw tooLarge('stdin', `more than ${LIMITS.configBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function tooLarge(source: string, size: string): AppError {
  const limit = LIMITS.configBytes / 1024 ** 2;
  return new AppError(
    'CONFIG_TOO_LARGE',
    `${source} has ${size}; an experiment config has at most ${limit} MiB.`,
    {
      hint: 'Write lists instead of single experiments, or submit it in parts.',
    },
  );
}
