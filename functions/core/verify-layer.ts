import { isAppError } from '../../shared/errors/app-error.ts';
import type { CoreDeps } from './deps.ts';

/**
 * Verifies a layer whose bytes are all there. One that is refused stays `failed` in its store, which is the end of the message: the image
 * step of each submission that waits for it says so.
 */
export async function verifyLayer(
  { layers, log }: Pick<CoreDeps, 'layers' | 'log'>,
  diffId: string,
): Promise<void> {
  try {
    await layers.verify(diffId);
  } catch (error) {
    // Its upload ended otherwise meanwhile: replaced, or taken up anew.
    const isOver = isAppError(error, 'UPLOAD_NOT_FOUND') || isAppError(error, 'UPLOAD_CONFLICT');
    if (!isOver && !isAppError(error, 'LAYER_INVALID')) throw error;
    log.info({ diffId, reason: error.message }, 'layer refused');
  }
}
