import type { Key } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { contentFaultsOf } from './accepted-content.ts';
import { type CheckStage, unitOf } from './check-stage.ts';
import type { Difference } from './difference.ts';
import { together } from './documents-from.ts';
import { countsFaults } from './kept-counts.ts';
import { contradictionsOf } from './submission-contradictions.ts';
import { readFacts, type SubmissionFacts } from './submission-facts.ts';
import { progressFaultsOf } from './submission-progress.ts';
import { everySubmission } from './submissions-from.ts';

/** Submissions that are judged together: what they share is read once. */
const TOGETHER = 20;

/** Every submission: what it says of itself, what it names, its jobs and chunks counted, and that something carries it on. */
export function submissionsStage(deps: CoreDeps): CheckStage {
  return {
    name: 'submissions',
    async *units(after) {
      for await (const { keys, place } of together(everySubmission(deps, after), TOGETHER)) {
        yield await unitOf(place, { submissions: keys.length }, () => lookAt(deps, keys));
      }
    },
  };
}

async function lookAt(
  deps: CoreDeps,
  keys: readonly Key<'submissions'>[],
): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (const facts of await readFacts(deps, keys)) {
    differences.push(...contradictionsOf(facts), ...progressFaultsOf(facts));
    differences.push(...(await contentFaultsOf(deps, facts)));
    differences.push(...(await countsOfSubmission(deps, facts)));
  }
  return differences;
}

function countsOfSubmission(
  deps: CoreDeps,
  { submission: { value: doc } }: SubmissionFacts,
): Promise<Difference[]> {
  const of = { subject: `submission ${doc.id}`, groupId: doc.groupId };
  return countsFaults(deps, { kind: 'submission', doc }, of);
}
