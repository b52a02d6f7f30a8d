import { AppError } from '../../shared/errors/app-error.ts';
import { StaleVersion } from '../ports/store.ts';

const ATTEMPTS = 12;

/**
 * Runs a read-decide-commit step again when its commit lost a race. The step must read everything anew. Throws
 * AppError STORE_BUSY after twelve lost races.
 */
export async function retryStale<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof StaleVersion)) throw error;
      if (attempt === ATTEMPTS) {
        throw new AppError('STORE_BUSY', `Lost ${ATTEMPTS} races for ${error.message}.`, {
          cause: error,
        });
      }
    }
  }
}
