import type { PlanView, SubmissionSpec } from '../../shared/api/submissions.ts';
import { experiments } from '../../shared/experiments/expand.ts';
import { flagsOf } from '../../shared/experiments/flags.ts';
import { shellLine } from '../../shared/text/shell-quote.ts';
import type { Principal } from '../ports/authenticator.ts';
import type { LayerState } from '../ports/layer-store.ts';
import { resolveGroupForWrite } from './accept.ts';
import { requestOf } from './dependency-build.ts';
import type { CoreDeps } from './deps.ts';
import { labelsOf } from './platform-job.ts';
import { getOne } from './records.ts';
import { type CheckedSpec, checkSpec, layersOf } from './submission-spec.ts';

const SAMPLES = 5;

/**
 * Everything a submission would do, without doing it; layers may still be missing. Throws what accepting it would throw,
 * but for missing layers.
 */
export async function planSubmission(
  deps: CoreDeps,
  principal: Principal,
  spec: SubmissionSpec,
): Promise<PlanView> {
  const checked = await checkSpec(deps, spec, 'may-miss');
  const group = await resolveGroupForWrite(deps, principal, spec.group);
  const diffIds = [...new Set(layersOf(spec))];
  const states = diffIds.length === 0 ? [] : await deps.layers.check(diffIds);
  const stateOf = new Map(diffIds.map((diffId, at) => [diffId, states[at]?.state ?? 'missing']));
  return {
    jobs: checked.count,
    group: { name: spec.group, exists: !group.isNew },
    platform: checked.lane.platform,
    lane: checked.lane.id,
    image: await planImage(deps, spec, stateOf),
    missingLayers: diffIds.filter((diffId) => isToBeSent(stateOf.get(diffId))),
    samples: samplesOf(checked, spec, principal),
  };
}

function isToBeSent(state: LayerState['state'] | undefined): boolean {
  return state !== 'complete' && state !== 'verified';
}

async function planImage(
  deps: CoreDeps,
  spec: SubmissionSpec,
  stateOf: ReadonlyMap<string, LayerState['state']>,
): Promise<PlanView['image']> {
  if (spec.image !== null) {
    return { action: 'given', message: `Runs in the image ${spec.image} as it is.` };
  }
  const { dependencies } = spec;
  const what = dependencies.requirements ?? 'the dependencies';
  if (dependencies.layer !== null && stateOf.get(dependencies.layer) !== 'verified') {
    return {
      action: 'build',
      message: `Prepares ${what}, unless they are known here: their bytes are not uploaded yet.`,
    };
  }
  const plan = await deps.builder.plan(requestOf(spec));
  if (plan === null) return { action: 'none', message: 'There are no dependencies to prepare.' };
  if (plan.ready) return { action: 'cached', message: `Dependencies are prepared (${plan.key}).` };
  const build = await getOne(deps, 'builds', plan.key);
  return build?.value.state === 'building'
    ? { action: 'build', message: `Waits for ${what}, which are being prepared (${plan.key}).` }
    : { action: 'build', message: `Prepares ${what} (${plan.key}).` };
}

function samplesOf(
  { config, hardware }: CheckedSpec,
  spec: SubmissionSpec,
  principal: Principal,
): PlanView['samples'] {
  const labelled = { ...spec, hardware, principal: principal.id, run: null };
  const first = experiments(config).take(SAMPLES).toArray();
  return first.map((experiment, index) => {
    const flags = flagsOf(experiment, 'sorted');
    return {
      index,
      command: shellLine([...spec.command, ...spec.scriptArgs, ...flags]),
      labels: labelsOf({ flags }, labelled),
    };
  });
}
