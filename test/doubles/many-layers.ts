import { aFile, aLayer, aTar, type BuiltLayer } from './tar-builder.ts';

/** Small layers, each different. */
export const MANY_LAYERS: readonly BuiltLayer[] = Array.from({ length: 400 }, (_, i) =>
  aLayer(aTar(aFile('usr/app/a.py', `${i} `.repeat(5000)))),
);
