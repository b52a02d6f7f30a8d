import { join } from 'node:path';
import { checkDiffId } from '../../../../shared/layers/layer-declaration.ts';

/** Where the files of a layer are. Each throws AppError REQUEST_INVALID for what is no layer id. */
export interface LayerPaths {
  readonly staging: string;
  /** Directory of a layer's blob. */
  bucket(diffId: string): string;
  blob(diffId: string): string;
  record(diffId: string): string;
  part(diffId: string): string;
  session(diffId: string): string;
  failure(diffId: string): string;
}

/** The layout: `<2 hex>/<diffId>` with `.json` beside it, and `staging/`. */
export function layerPaths(dir: string): LayerPaths {
  const staging = join(dir, 'staging');
  const bucket = (diffId: string) => join(dir, checkDiffId(diffId).slice(0, 2));
  const staged = (suffix: string) => (diffId: string) =>
    join(staging, `${checkDiffId(diffId)}${suffix}`);
  return {
    staging,
    bucket,
    blob: (diffId) => join(bucket(diffId), diffId),
    record: (diffId) => join(bucket(diffId), `${diffId}.json`),
    part: staged('.part'),
    session: staged('.session.json'),
    failure: staged('.failed.json'),
  };
}
