import { environmentIdOf } from '../accept.ts';
import type { CoreDeps } from '../deps.ts';
import { submissionDigest } from '../submission-digest.ts';
import { acceptedConfig } from './accepted-config.ts';
import { type Difference, LOST } from './difference.ts';
import { submissionDifference } from './submission-contradictions.ts';
import { configIdOf, type SubmissionFacts } from './submission-facts.ts';

/** What of a submission is not as it was accepted, as far as hashes tell: its own record, and its config. */
export async function contentFaultsOf(
  deps: Pick<CoreDeps, 'store'>,
  facts: SubmissionFacts,
): Promise<Difference[]> {
  return [...recordFaults(facts), ...(await configFault(deps, facts))];
}

function recordFaults(facts: SubmissionFacts): Difference[] {
  const { value } = facts.submission;
  const { digest, environment, run, buildId, codeLayers } = value;
  const faults: [found: string, expected: string][] = [];
  const recounted = submissionDigest(value);
  if (digest !== undefined && recounted !== digest) {
    faults.push([`its record has digest ${recounted}`, `${digest}, as when it was accepted`]);
  }
  const environmentId = environmentIdOf(value);
  if (environment.id !== environmentId) {
    faults.push([`environment ${environment.id}`, `${environmentId}, as its dependencies say`]);
  }
  if (run?.kind === 'workspace' && String(run.layers) !== String(codeLayers)) {
    faults.push([`it runs layers ${run.layers.join(', ')}`, codeLayers.join(', ')]);
  }
  if (run?.kind === 'workspace' && run.venvKey !== buildId) {
    faults.push([`it runs in ${run.venvKey}`, `in what build ${buildId} made`]);
  }
  return faults.map(([found, expected]) =>
    submissionDifference(facts, { kind: 'submission', found, expected, fix: LOST }),
  );
}

async function configFault(
  deps: Pick<CoreDeps, 'store'>,
  facts: SubmissionFacts,
): Promise<Difference[]> {
  const { value } = facts.submission;
  // Told already.
  if (facts.around.get('configs', configIdOf(value)) === undefined) return [];
  const accepted = await acceptedConfig(deps, value);
  if ('config' in accepted) return [];
  return [submissionDifference(facts, { kind: 'submission', ...accepted, fix: LOST })];
}
