import { layerInvalid } from './layer-errors.ts';

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder('utf-8');

/** Text of a name in an archive. Throws AppError LAYER_INVALID when it is not UTF-8. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return STRICT.decode(bytes);
  } catch (cause) {
    throw layerInvalid('a name is not valid UTF-8', shownName(bytes), cause);
  }
}

/** A name as it can best be shown in a message. */
export function shownName(bytes: Uint8Array): string {
  return LENIENT.decode(bytes);
}
