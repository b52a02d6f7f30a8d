import { AppError } from '../errors/app-error.ts';

const SHOWN_CHARACTERS = 200;
const REMEDY = 'Send the layer again as packed by: caliban cloud';
const ENTRY_REMEDY = 'Rename it, remove it or name it in .dockerignore; then submit again.';

/** The AppError LAYER_INVALID with a reason and, when one entry is to blame, that entry's name. */
export function layerInvalid(reason: string, entry?: string, cause?: unknown): AppError {
  const where = entry === undefined ? '' : `entry ${quoteEntry(entry)}: `;
  return new AppError('LAYER_INVALID', `Layer refused: ${where}${reason}.`, {
    hint: entry === undefined ? REMEDY : ENTRY_REMEDY,
    ...(entry === undefined ? {} : { context: { entry: quoteEntry(entry) } }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The AppError LAYER_MISSING of a layer that is not stored and verified. */
export function layerMissing(diffId: string): AppError {
  return new AppError('LAYER_MISSING', `Layer ${diffId} is not stored here.`, {
    hint: 'Upload the layer, then try again.',
  });
}

/** The AppError UPLOAD_NOT_FOUND of a layer that has no session. */
export function uploadNotFound(diffId: string): AppError {
  return new AppError('UPLOAD_NOT_FOUND', `No upload of layer ${diffId} is open.`, {
    hint: 'Declare the layer again (POST /v1/layers), then send its bytes.',
  });
}

/** The AppError UPLOAD_CONFLICT of a session that another declaration or an expiry ended. */
export function uploadReplaced(diffId: string): AppError {
  return new AppError('UPLOAD_CONFLICT', `The upload of layer ${diffId} was replaced meanwhile.`, {
    hint: 'Declare the layer again (POST /v1/layers), then send its bytes from the start.',
  });
}

/** The AppError UPLOAD_CONFLICT of a `complete` that came before all bytes. */
export function bytesMissing(diffId: string, received: number, blobSize: number): AppError {
  return new AppError(
    'UPLOAD_CONFLICT',
    `Layer ${diffId} is not complete: ${received} of ${blobSize} bytes have arrived.`,
    { hint: `Send the bytes from offset ${received} on.`, context: { received, blobSize } },
  );
}

/** The AppError LAYER_INVALID of a layer that was refused earlier, with the reason that was kept. */
export function layerFailedBefore(reason: string): AppError {
  return new AppError('LAYER_INVALID', reason, { hint: REMEDY });
}

/** A name from an archive as text that is safe to print: quoted, invisible characters escaped, at most 200 characters. */
export function quoteEntry(name: string): string {
  const shown = name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}…` : name;
  const escaped = shown.replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escapeCharacter);
  return `"${escaped}"`;
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
