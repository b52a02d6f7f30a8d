import { type BuildStep, type Results, stepLabel, timeMs, wireTime } from './build-record.ts';
import { BuildFailure, BuildStop } from './build-stop.ts';
import type { BuildMachine, StepResult } from './executor.ts';
import type { Run } from './run-build.ts';
import { automapped } from './substitutions.ts';

const MAX_OUTPUT_BYTES = 50 * 1024;

/** Runs the steps of a build, each when those it waits for have succeeded. Throws what the first one that fails failed by. */
export async function runSteps(run: Run, machine: BuildMachine): Promise<void> {
  const { build, deps, known } = run;
  const secrets = secretValues(run);
  const records: BuildStep[] = build.steps.map((step) => ({ ...step, status: 'QUEUED' }));
  const outputs = build.steps.map(() => Buffer.alloc(0));
  const failing = new AbortController();
  const signal = AbortSignal.any([deps.signal, failing.signal]);
  const runs: Promise<void>[] = [];
  for (const [index, step] of build.steps.entries()) {
    const context = { index, step, secrets, machine, records, outputs, signal };
    const before = Promise.all(awaited(build.steps, index).map((earlier) => runs[earlier]));
    const running = before.then(() => runStep(run, context));
    running.catch((error: unknown) => failing.abort(error));
    runs.push(running);
  }
  await Promise.allSettled(runs);
  known.steps = records;
  known.results = { images: [], buildStepImages: build.steps.map(() => ''), ...kept(outputs) };
  signal.throwIfAborted();
}

function kept(outputs: readonly Buffer[]): Pick<Results, 'buildStepOutputs'> {
  return { buildStepOutputs: outputs.some(({ length }) => length > 0) ? outputs : [] };
}

/** Indices of the steps that this one waits for. */
function awaited(steps: readonly BuildStep[], index: number): number[] {
  const ids = steps[index]?.waitFor ?? [];
  const earlier = [...steps.keys()].slice(0, index);
  if (ids.length === 0) return earlier;
  return earlier.filter((other) => ids.includes(steps[other]?.id ?? ''));
}

interface StepContext {
  readonly index: number;
  readonly step: BuildStep;
  readonly secrets: ReadonlyMap<string, string>;
  readonly machine: BuildMachine;
  readonly records: BuildStep[];
  readonly outputs: Buffer[];
  readonly signal: AbortSignal;
}

async function runStep(run: Run, context: StepContext): Promise<void> {
  const { index, step, records, signal } = context;
  const { clock, log } = run.deps;
  signal.throwIfAborted();
  const label = stepLabel(run.build, index);
  const startTime = wireTime(clock.now());
  let record: BuildStep = { ...step, status: 'WORKING' };
  if (label !== null) log.line(`Starting ${label}`);
  try {
    const { exitCode, output } = await limited(run, context);
    record = { ...record, exitCode, status: exitCode === 0 ? 'SUCCESS' : 'FAILURE' };
    context.outputs[index] = Buffer.from(output.subarray(0, MAX_OUTPUT_BYTES));
    if (exitCode === 0 || allows(step, exitCode)) return;
    throw stepFailed(context, `step exited with non-zero status: ${exitCode}`);
  } catch (error) {
    if (record.status === 'WORKING') record = { ...record, status: statusOf(error) };
    throw error;
  } finally {
    records[index] = { ...record, timing: { startTime, endTime: wireTime(clock.now()) } };
    if (label !== null) log.line(`Finished ${label}`);
  }
}

function statusOf(error: unknown): BuildStep['status'] {
  if (error instanceof BuildStop) return error.status;
  return error instanceof BuildFailure ? 'FAILURE' : 'CANCELLED';
}

function allows({ allowExitCodes, allowFailure }: BuildStep, exitCode: number): boolean {
  return allowExitCodes.length > 0 ? allowExitCodes.includes(exitCode) : allowFailure;
}

function stepFailed({ index, step }: StepContext, why: string): BuildFailure {
  const name = JSON.stringify(step.name);
  return new BuildFailure('USER_BUILD_STEP', `build step ${index} ${name} failed: ${why}`);
}

/** The step, ended by its own time limit or by the build's end. */
async function limited(run: Run, context: StepContext): Promise<StepResult> {
  const { step, signal } = context;
  if (step.timeout === null) return pulledAndRun(run, context);
  const over = new AbortController();
  const late = new AbortController();
  const timer = run.deps.clock
    .sleep(timeMs(step.timeout), over.signal)
    .then(() => late.abort(new BuildStop('TIMEOUT')))
    .catch(() => {});
  try {
    return await pulledAndRun(run, { ...context, signal: AbortSignal.any([signal, late.signal]) });
  } finally {
    over.abort();
    await timer;
  }
}

async function pulledAndRun(run: Run, context: StepContext): Promise<StepResult> {
  const { index, step, machine, signal } = context;
  const { build, deps } = run;
  const log = deps.log.writer(stepLabel(build, index));
  const say = (text: string) => log.write(Buffer.from(`${text}\n`));
  say(`Pulling image: ${step.name}`);
  if (!machine.pulls(step.name)) {
    say(`Error response from daemon: manifest for ${step.name} not found: manifest unknown`);
    const name = JSON.stringify(step.name);
    const why =
      'generic::unknown: retry budget exhausted (10 attempts): step exited with non-zero status: 1';
    throw stepFailed(context, `error pulling build step ${index} ${name}: ${why}`);
  }
  try {
    return await machine.run({ index, step, env: stepEnv(run, context), log, signal });
  } finally {
    log.end();
  }
}

function stepEnv({ build, deps }: Run, { step, secrets }: StepContext): string[] {
  const names = [...(build.options?.secretEnv ?? []), ...step.secretEnv];
  return [
    ...automapped(build, step, deps.builtIn),
    ...names.map((name) => `${name}=${secrets.get(name) ?? ''}`),
    ...(build.options?.env ?? []),
    ...step.env,
  ];
}

function secretValues({ build, deps }: Run): ReadonlyMap<string, string> {
  const declared = build.availableSecrets?.secretManager ?? [];
  return new Map(
    declared.map(({ env, versionName }) => {
      const value = deps.secrets[versionName];
      if (value !== undefined) return [env, value];
      const [secret] = versionName.split('/versions/');
      const why = `Secret [${secret}] not found or has no versions.`;
      throw new BuildFailure(
        'USER_BUILD_STEP',
        `failed to access secret version for secret ${versionName}: rpc error: code = NotFound desc = ${why}`,
      );
    }),
  );
}
