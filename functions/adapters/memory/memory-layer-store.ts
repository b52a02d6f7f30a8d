import { createHash } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { isAppError } from '../../../shared/errors/app-error.ts';
import {
  checkDeclaration,
  checkDiffId,
  checkDiffIds,
  isSameDeclaration,
  type LayerLimits,
} from '../../../shared/layers/layer-declaration.ts';
import { layerInvalid, layerMissing } from '../../../shared/layers/layer-errors.ts';
import { readLayerFile } from '../../../shared/layers/read-layer-file.ts';
import {
  bytesMissing,
  takeRange,
  uploadNotFound,
  uploadReplaced,
} from '../../../shared/layers/upload-range.ts';
import { type LayerCodec, tooLong, verifyLayer } from '../../../shared/layers/verify-layer.ts';
import type {
  LayerDeclaration,
  LayerEncoding,
  LayerState,
  LayerStore,
  StoredLayer,
  UploadSink,
} from '../../ports/layer-store.ts';
