import { uploadNotFound } from '../../shared/layers/layer-errors.ts';
import type { LayerStore, UploadSink } from '../ports/layer-store.ts';

/** The upload route of a service whose bytes go to a bucket: it is named for layers whose bytes are all here, verified or not yet, of which it takes nothing more. */
export function createHostedUploads(layers: Pick<LayerStore, 'check'>): UploadSink {
  return {
    async receive(diffId, range) {
      const [found] = await layers.check([diffId]);
      const isHere = found?.state === 'verified' || found?.state === 'complete';
      if (!isHere) throw uploadNotFound(diffId);
      return { received: range.total };
    },
  };
}
