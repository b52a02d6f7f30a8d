import { isAppError } from '../../../shared/errors/app-error.ts';
import { isSameDeclaration, type LayerLimits } from '../../../shared/layers/layer-declaration.ts';
import {
  bytesMissing,
  layerFailedBefore,
  uploadNotFound,
  uploadReplaced,
} from '../../../shared/layers/layer-errors.ts';
import { takeRange } from '../../../shared/layers/upload-range.ts';
import { verifyLayer } from '../../../shared/layers/verify-layer.ts';
import type {
  LayerDeclaration,
  LayerState,
  StoredLayer,
  UploadRange,
} from '../../ports/layer-store.ts';
import { concatenated, memoryLayerCodec } from './memory-layer-codec.ts';

/** A verified layer and its tar. */
export interface VerifiedLayer {
  readonly layer: StoredLayer;
  readonly tar: Uint8Array;
}

interface Session {
  readonly declaration: LayerDeclaration;
  readonly pieces: Uint8Array[];
  received: number;
  verification: Promise<'verified'> | undefined;
}

/** Uploads on their way into `verified`; of layers that are there already nobody asks here. */
export function createMemoryUploads(limits: LayerLimits, verified: Map<string, VerifiedLayer>) {
  const sessions = new Map<string, Session>();
  const failures = new Map<string, string>();

  async function verify(session: Session): Promise<'verified'> {
    const { declaration } = session;
    const { diffId } = declaration;
    const isCurrent = () => sessions.get(diffId) === session;
    const blob = Buffer.concat(session.pieces);
    try {
      const { blobDigest } = await verifyLayer(
        only(blob),
        { declaration, limits },
        memoryLayerCodec,
      );
      const tar = await concatenated(memoryLayerCodec.decode(only(blob), declaration.encoding));
      if (!isCurrent()) throw uploadReplaced(diffId);
      verified.set(diffId, { layer: { ...declaration, blobDigest }, tar });
      sessions.delete(diffId);
      return 'verified';
    } catch (error) {
      if (isCurrent() && isAppError(error, 'LAYER_INVALID')) {
        failures.set(diffId, error.message);
        sessions.delete(diffId);
      }
      throw error;
    }
  }

  return {
    state(diffId: string): LayerState {
      const reason = failures.get(diffId);
      if (reason !== undefined) return { state: 'failed', reason };
      const session = sessions.get(diffId);
      const isComplete = session?.received === session?.declaration.blobSize;
      return { state: session !== undefined && isComplete ? 'complete' : 'missing' };
    },
    begin(declaration: LayerDeclaration): void {
      const { diffId } = declaration;
      const open = sessions.get(diffId);
      if (open !== undefined && isSameDeclaration(open.declaration, declaration)) return;
      failures.delete(diffId);
      sessions.set(diffId, { declaration, pieces: [], received: 0, verification: undefined });
    },
    async receive(
      diffId: string,
      range: UploadRange,
      body: AsyncIterable<Uint8Array>,
    ): Promise<{ readonly received: number }> {
      const session = sessions.get(diffId);
      if (session === undefined) throw uploadNotFound(diffId);
      await takeRange(range, body, {
        blobSize: session.declaration.blobSize,
        received: () => session.received,
        take: async (position, bytes) => {
          if (sessions.get(diffId) !== session && !verified.has(diffId))
            throw uploadReplaced(diffId);
          append(session, position, bytes);
        },
      });
      return { received: session.received };
    },
    async complete(diffId: string): Promise<'verified'> {
      const reason = failures.get(diffId);
      if (reason !== undefined) throw layerFailedBefore(reason);
      const session = sessions.get(diffId);
      if (session === undefined) throw uploadNotFound(diffId);
      const { blobSize } = session.declaration;
      if (session.received < blobSize) throw bytesMissing(diffId, session.received, blobSize);
      session.verification ??= verify(session);
      return session.verification;
    },
  };
}

function append(session: Session, position: number, bytes: Uint8Array): void {
  const fresh = new Uint8Array(bytes.subarray(session.received - position));
  session.pieces.push(fresh);
  session.received += fresh.length;
}

/** These bytes as a stream of one piece. */
export async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
