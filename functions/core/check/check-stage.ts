import type { Difference } from './difference.ts';

/** A place in a stage, in its own terms; what is looked at next comes behind it. */
export type Place = readonly (string | number)[];

/** How many of what were looked at. */
export type Looked = Readonly<Record<string, number>>;

/** A small part of the records, looked at once. */
export interface CheckUnit {
  readonly place: Place;
  readonly looked: Looked;
  readonly differences: readonly Difference[];
  /** Reads everything anew and judges again. */
  again(): Promise<readonly Difference[]>;
}

/** One kind of look at all the records, unit by unit: memory does not grow with them. */
export interface CheckStage {
  readonly name: string;
  units(after: Place | null): AsyncIterable<CheckUnit>;
}

/** A unit that `look` reads and judges. */
export async function unitOf(
  place: Place,
  looked: Looked,
  look: () => Promise<readonly Difference[]>,
): Promise<CheckUnit> {
  return { place, looked, differences: await look(), again: look };
}
