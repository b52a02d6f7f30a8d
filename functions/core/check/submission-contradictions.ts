import { absenceOf, type Difference, LOST, versionOf } from './difference.ts';
import { configIdOf, type SubmissionFacts } from './submission-facts.ts';

/** What of a submission does not go together, and what it names that is not there. */
export function contradictionsOf(facts: SubmissionFacts): Difference[] {
  return [
    ...missingParts(facts),
    ...imageFaults(facts),
    ...layerFaults(facts),
    ...buildFault(facts),
  ];
}

/** A difference of a submission. */
export function submissionDifference(
  { submission }: Pick<SubmissionFacts, 'submission'>,
  told: Pick<Difference, 'kind' | 'found' | 'expected' | 'fix'> & {
    readonly ids?: Difference['ids'];
    readonly basis?: readonly string[];
  },
): Difference {
  const { id, groupId } = submission.value;
  return {
    ...told,
    subject: `submission ${id}`,
    ids: { submissionId: id, groupId, ...told.ids },
    basis: [versionOf(submission), ...(told.basis ?? [])],
  };
}

function missingParts(facts: SubmissionFacts): Difference[] {
  const { submission, around } = facts;
  const { value } = submission;
  const group = around.get('groups', value.groupId);
  const named = [
    ['group', 'groups', value.groupId],
    ['lane', 'lanes', value.lane],
    ['config', 'configs', configIdOf(value)],
  ] as const;
  const missing = named
    .filter(([, collection, id]) => around.get(collection, id) === undefined)
    .map(([name, collection, id]) =>
      submissionDifference(facts, {
        kind: 'submission',
        found: `its ${name} does not exist`,
        expected: `a ${name} ${id}`,
        fix: LOST,
        basis: [absenceOf({ collection, id })],
      }),
    );
  if (group === undefined) return missing;
  const { owner, name } = group.value;
  if (owner === value.owner && name === value.groupName) return missing;
  return [
    ...missing,
    submissionDifference(facts, {
      kind: 'submission',
      found: `group ${value.owner}/${value.groupName}`,
      expected: `${owner}/${name}, as the group itself says`,
      fix: LOST,
      basis: [versionOf(group)],
    }),
  ];
}

function imageFaults(facts: SubmissionFacts): Difference[] {
  const { imageState, run, ending } = facts.submission.value;
  const isRight =
    imageState === 'ready'
      ? run !== null
      : run === null && (imageState === 'waiting' || ending !== 'none');
  if (isRight) return [];
  return [
    submissionDifference(facts, {
      kind: 'submission',
      found: `its environment is ${imageState}, it ${run === null ? 'has nothing to run in' : 'has something to run in'}, its ending is ${ending}`,
      expected: 'something to run in exactly when ready, and an ending when failed',
      fix: LOST,
    }),
  ];
}

function layerFaults(facts: SubmissionFacts): Difference[] {
  return facts.layers.flatMap(([diffId, layer]) => {
    if (layer.state === 'verified') return [];
    const isOnItsWay =
      layer.state === 'complete' && facts.submission.value.imageState === 'waiting';
    if (isOnItsWay) return [];
    const found = layer.state === 'failed' ? `refused: ${layer.reason}` : layer.state;
    return [
      submissionDifference(facts, {
        kind: 'layer',
        found: `layer ${diffId} is ${found}`,
        expected: 'there and verified',
        fix: 'Submit the same code again: what is missing is sent. Or restore the layers from a backup.',
        ids: { diffId },
      }),
    ];
  });
}

function buildFault(facts: SubmissionFacts): Difference[] {
  if (facts.build !== 'gone') return [];
  const { buildId } = facts.submission.value;
  return [
    submissionDifference(facts, {
      kind: 'build',
      found: `build ${buildId} is not there, and jobs wait that need it`,
      expected: 'ready, as the submission says',
      fix: 'Stop the group and submit again: the dependencies are then prepared anew.',
      ids: { buildId: buildId ?? '' },
    }),
  ];
}
