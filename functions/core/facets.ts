import { LIMITS } from '../../shared/api/limits.ts';
import type { Experiment } from '../../shared/experiments/expand.ts';
import { pythonStr } from '../../shared/experiments/python-repr.ts';

/**
 * What a job can be searched by: `label:K=V` and `flag:K=V`, labels first. Bounded in number and length; a value too
 * long to be searched is left out, the job keeps it all the same.
 */
export function facetsOf(
  labels: Readonly<Record<string, string>>,
  experiment: Experiment,
): string[] {
  const facets = new Set<string>();
  for (const [key, value] of Object.entries(labels)) facets.add(`label:${key}=${value}`);
  for (const [name, value] of experiment) facets.add(`flag:${name}=${pythonStr(value)}`);
  return [...facets].filter((facet) => facet.length <= LIMITS.facetLength).slice(0, LIMITS.facets);
}
