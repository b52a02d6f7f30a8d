import * as z from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { readAtMost } from './registry-bytes.ts';
import { isNetworkTrouble, isTransient } from './registry-retries.ts';

const SHOWN = 300;
const MAX_BYTES = 64 * 1024;

/** What a registry said when it refused, in words to print. Reads the response. */
export async function refusalWords(response: Response): Promise<string> {
  const bytes = await readAtMost(response, MAX_BYTES).catch(() => new Uint8Array());
  const said = parseRefusal(new TextDecoder().decode(bytes));
  const words = said === '' ? `status ${response.status} ${response.statusText}`.trim() : said;
  return words
    .replace(/\p{C}+/gu, ' ')
    .slice(0, SHOWN)
    .replace(/\.+$/, '');
}

/** What a refusal to write means: nothing that the submission could change. Reads the response. */
export async function writeRefused(repository: string, response: Response): Promise<AppError> {
  const words = await refusalWords(response);
  if (isTransient(response.status)) return registryAway(repository, words);
  const hints: Partial<Record<number, string>> = {
    401: RIGHTS,
    403: RIGHTS,
    404: `The repository may not have been made yet: ask who runs the service to make ${repository}.`,
    405: 'The registry may be read-only.',
  };
  return new AppError('UNAVAILABLE', `The image could not be stored in ${repository}: ${words}.`, {
    hint: hints[response.status] ?? 'Ask who runs the service to look at its registry.',
    context: { repository, status: response.status },
  });
}

/** The AppError UNAVAILABLE of a registry that wants an upload sent where nothing may go. */
export function uploadUnsafe(repository: string, { origin }: URL): AppError {
  return new AppError(
    'UNAVAILABLE',
    `The registry of ${repository} wants its uploads at ${origin}, which is not https.`,
    {
      hint: 'Ask who runs the registry to look at the addresses it gives: its proxy may hide TLS.',
    },
  );
}

/** The AppError UNAVAILABLE of a registry that does not answer as it should. */
export function registryAway(repository: string, reason: string, cause?: unknown): AppError {
  return new AppError('UNAVAILABLE', `The registry of ${repository} does not answer: ${reason}.`, {
    hint: 'Try again in a moment.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** What is thrown for an error of a request: that of the connection in words, any other as it is. */
export function requestFailed(repository: string, error: unknown): unknown {
  return isNetworkTrouble(error) ? registryAway(repository, troubleWords(error), error) : error;
}

/** Whether a host can never answer: nobody knows it, or its port is one that `fetch` keeps away from. */
export function isNoRegistry(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) return false;
  return cause.message === 'bad port' || ('code' in cause && cause.code === 'ENOTFOUND');
}

// `fetch failed` says nothing; its cause does.
function troubleWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError) return troubleWords(cause.errors[0]);
  if (!(cause instanceof Error)) return error.message;
  return cause.message === '' ? error.message : cause.message;
}

const RIGHTS =
  'The service account of the service needs the role roles/artifactregistry.writer on that repository.';

const refusalSchema = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })),
});

function parseRefusal(text: string): string {
  try {
    const { errors } = refusalSchema.parse(JSON.parse(text));
    return errors.map(({ code, message }) => message || code || '').join('; ');
  } catch {
    return '';
  }
}
