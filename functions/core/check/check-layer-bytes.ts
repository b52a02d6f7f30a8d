import type { CoreDeps } from '../deps.ts';
import { layersOf } from '../submission-spec.ts';
import { type CheckStage, type CheckUnit, type Place, unitOf } from './check-stage.ts';
import type { Difference } from './difference.ts';
import { submissionsFrom } from './submissions-from.ts';

/** Layers whose bytes were read a short while ago: many submissions name the same ones. */
export interface ReadLayers {
  has(diffId: string): boolean;
  add(diffId: string): void;
}

/** Remembers layers for `keptMs`, at most `limit` of them. */
export function createReadLayers(
  { now }: CoreDeps['clock'],
  { keptMs = 600_000, limit = 10_000 } = {},
): ReadLayers {
  const readAt = new Map<string, number>();
  return {
    has: (diffId) => now() - (readAt.get(diffId) ?? Number.NEGATIVE_INFINITY) < keptMs,
    add(diffId) {
      readAt.delete(diffId);
      readAt.set(diffId, now());
      const [oldest] = readAt.keys();
      if (readAt.size > limit && oldest !== undefined) readAt.delete(oldest);
    },
  };
}

/** The stored bytes of every layer that a submission names: size, digest and content. Layers that are not there are told elsewhere. */
export function layerBytesStage(deps: CoreDeps, read: ReadLayers): CheckStage {
  return {
    name: 'layer-bytes',
    async *units(after) {
      for await (const layer of namedLayers(deps, after)) {
        if (read.has(layer.diffId)) continue;
        const unit = await layerUnit(deps, layer);
        if (unit.differences.length === 0) read.add(layer.diffId);
        yield unit;
      }
    },
  };
}

interface NamedLayer {
  readonly diffId: string;
  readonly submissionId: string;
  readonly place: Place;
}

async function* namedLayers(deps: CoreDeps, after: Place | null): AsyncGenerator<NamedLayer> {
  for await (const { submission, place, from } of submissionsFrom(deps, after)) {
    const { value } = submission;
    for (const [at, diffId] of layersOf(value).entries()) {
      if (at >= from) yield { diffId, submissionId: value.id, place: [...place, at] };
    }
  }
}

function layerUnit(
  deps: CoreDeps,
  { diffId, submissionId, place }: NamedLayer,
): Promise<CheckUnit> {
  return unitOf(place, { layers: 1 }, async (): Promise<Difference[]> => {
    const [layer] = await deps.layers.check([diffId]);
    if (layer?.state !== 'verified') return [];
    const fault = await deps.layers.reverify(diffId);
    if (fault === null) return [];
    return [
      {
        kind: 'layer',
        subject: `layer ${diffId}`,
        ids: { diffId, submissionId },
        found: fault,
        expected: `the bytes that were verified, sha256 ${layer.layer.blobDigest}`,
        fix: 'Restore the layer from a backup, or remove its two files and submit the same code again.',
        basis: [],
      },
    ];
  });
}
