import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mode } from '../../shared/config/base-image.ts';
import {
  PROJECT_CONFIG_FILE,
  type ProjectConfig,
  parseProjectConfig,
} from '../../shared/config/project-config.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { errorCode } from './error-code.ts';

const MAX_BYTES = 1024 * 1024;

/**
 * What the project file in a directory says for a mode; nothing when there is none. Throws CONFIG_SYNTAX, CONFIG_INVALID,
 * CONFIG_TOO_LARGE.
 */
export async function readProjectConfig(contextDir: string, mode: Mode): Promise<ProjectConfig> {
  const bytes = await readFile(join(contextDir, PROJECT_CONFIG_FILE)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw unreadable(error);
  });
  if (bytes === null) return parseProjectConfig('{}', mode);
  if (bytes.length > MAX_BYTES) {
    throw new AppError(
      'CONFIG_TOO_LARGE',
      `${PROJECT_CONFIG_FILE} has ${bytes.length} bytes; at most ${MAX_BYTES} are read.`,
      { hint: 'It only names packages and images; data belongs elsewhere.' },
    );
  }
  return parseProjectConfig(decoded(bytes), mode);
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('CONFIG_SYNTAX', `${PROJECT_CONFIG_FILE} is not UTF-8 text.`, {
      hint: 'Save it as UTF-8.',
      cause,
    });
  }
}

function unreadable(cause: unknown): AppError {
  return new AppError(
    'CONFIG_INVALID',
    `${PROJECT_CONFIG_FILE} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
    { hint: 'Make it a file that you may read, or remove it.', cause },
  );
}
