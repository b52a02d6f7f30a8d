import * as z from 'zod';
import type { Engine } from '../engine/engine.ts';
import { askEngine } from '../engine/engine-call.ts';
import type { Change } from './changed-paths.ts';

/** The engine looks through all files that were written (ms). */
const CHANGES_MS = 120_000;
const KINDS = ['modified', 'added', 'deleted'] as const;

/** What differs between a container and its image. */
export async function readChanges(
  connect: () => Promise<Engine>,
  id: string,
  closing: AbortSignal,
): Promise<readonly Change[]> {
  const found = await askEngine({ ms: CHANGES_MS, signal: closing }, async (abortSignal) =>
    (await connect()).getContainer(id).changes({ abortSignal }),
  );
  return changesSchema.parse(found);
}

// Null: nothing does.
const changesSchema = z
  .array(
    z
      .object({ Path: z.string(), Kind: z.literal([0, 1, 2]) })
      .transform(({ Path, Kind }) => ({ path: Path, kind: KINDS[Kind] })),
  )
  .nullable()
  .transform((found) => found ?? []);
