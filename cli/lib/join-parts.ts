import { AppError } from '../../shared/errors/app-error.ts';
import type { Parts } from './parts.ts';

/** Where packing, experiments and the one-machine service are joined to the CLI; each is loaded when first used. */
export const PARTS: Parts = {
  packer: () => absent('packing'),
  experiments: () => absent('experiment configs'),
  host: () => absent('the service on this machine'),
};

function absent(what: string): Promise<never> {
  return Promise.reject(new AppError('INTERNAL', `This build of caliban is without ${what}.`));
}
