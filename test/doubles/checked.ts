import { createReadLayers } from '../../functions/core/check/check-layer-bytes.ts';
import type { CheckPosition } from '../../functions/core/check/check-part.ts';
import { checkRecords, type HostCheck } from '../../functions/core/check/check-records.ts';
import type { Looked } from '../../functions/core/check/check-stage.ts';
import type { Difference } from '../../functions/core/check/difference.ts';
import type { CoreDeps } from '../../functions/core/deps.ts';

/** What a whole check found. */
export interface Checked {
  readonly differences: readonly Difference[];
  readonly looked: Looked;
  readonly parts: number;
}

/** Checks everything, part after part. */
export async function checkAll(
  deps: CoreDeps,
  host: Partial<HostCheck & { readonly layerBytes: boolean }> = {},
): Promise<Checked> {
  const read = createReadLayers(deps.clock);
  const differences: Difference[] = [];
  const looked: Record<string, number> = {};
  let at: CheckPosition | undefined;
  let parts = 0;
  do {
    const part = await checkRecords(
      deps,
      { stages: [], pauseMs: 0, ...host, read },
      { at, layerBytes: host.layerBytes ?? false },
    );
    differences.push(...part.differences);
    for (const [name, count] of Object.entries(part.looked)) {
      looked[name] = (looked[name] ?? 0) + count;
    }
    // As it would travel between two requests.
    at = part.next === undefined ? undefined : JSON.parse(JSON.stringify(part.next));
    parts++;
  } while (at !== undefined);
  return { differences, looked, parts };
}
