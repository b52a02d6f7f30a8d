import { LIMITS } from '../../shared/api/limits.ts';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { parseExperimentConfig } from '../../shared/experiments/config-model.ts';
import { countWithin } from '../../shared/experiments/expand.ts';
import { parseLabelFlag } from '../../shared/labels/labels.ts';
import type { Context } from '../lib/context.ts';
import { variable } from '../lib/env.ts';
import { localTime } from '../lib/local-time.ts';
import { readConfig } from '../lib/read-config.ts';
import { checkCloudFlags } from './cloud-limits.ts';

/** What a `cloud` command line asks for, checked as far as this machine can. */
export interface CloudRequest {
  readonly module: string;
  readonly scriptArgs: readonly string[];
  /** Text of the experiment config; null: one experiment without flags. */
  readonly config: string | null;
  readonly experiments: number;
  readonly group: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly mode: 'cpu' | 'gpu';
  readonly hardware: SubmissionSpec['hardware'];
  readonly projectId: string | null;
  readonly image: string | null;
  readonly extraDirs: readonly string[];
  readonly extras: readonly string[];
}

/** Reads the flags and the experiment config. Throws USAGE, CONFIG_*, LIMIT_EXCEEDED before anything is packed. */
export async function readCloudRequest(ctx: Context): Promise<CloudRequest> {
  const { io, options, words, passed } = ctx;
  refuseContradictions(ctx);
  const hardware = readHardware(ctx);
  const name = options.text('name') ?? null;
  const source = options.text('experiment_config');
  const given = options.list('label').map((text) => parseLabelFlag(text));
  const labels = { ...(name === null ? {} : { job_name: name }), ...Object.fromEntries(given) };
  checkCloudFlags(options, labels);
  const config = source === undefined ? null : await readConfig(io, source);
  const experiments =
    config === null ? 1 : countWithin(parseExperimentConfig(config), LIMITS.experiments);
  checkScriptArgs(passed);
  return {
    module: words[0] ?? '',
    scriptArgs: passed,
    config,
    experiments,
    group: options.text('xgroup') ?? generatedGroup(ctx),
    name,
    labels,
    mode: readMode(ctx),
    hardware,
    projectId: options.text('project_id') ?? variable(io.env, 'PROJECT_ID') ?? null,
    image: options.text('image_tag') ?? null,
    extraDirs: options.list('dir'),
    extras: options.list('extras'),
  };
}

function refuseContradictions({ options, out }: Context): void {
  if (options.isSet('wait') && options.isSet('no_wait')) {
    throw new AppError('USAGE', '--wait and --no_wait contradict each other.', {
      hint: 'Give one of them.',
    });
  }
  if (options.isSet('nogpu') && options.isSet('gpu_spec')) {
    throw new AppError('USAGE', '--nogpu and --gpu_spec contradict each other.', {
      hint: 'Leave one of them out.',
    });
  }
  if (options.isSet('docker_run_args')) {
    throw new AppError('USAGE', '--docker_run_args does not apply to cloud.', {
      hint: 'Containers of a service take no arguments of yours; limits of a job are flags of the service: caliban serve --job_memory, --job_cpus.',
    });
  }
  for (const flag of ['cloud_key', 'force']) {
    if (options.isSet(flag)) out.note(`--${flag} has no effect here.`);
  }
  if (!options.isSet('image_tag')) return;
  for (const flag of ['dir', 'extras']) {
    if (options.isSet(flag))
      out.note(`--${flag} has no effect with --image_tag: nothing is packed.`);
  }
}

function readHardware({ io, options }: Context): SubmissionSpec['hardware'] {
  return {
    gpu: acceleratorSpec('gpu_spec', options.text('gpu_spec')),
    tpu: acceleratorSpec('tpu_spec', options.text('tpu_spec')),
    machineType: options.text('machine_type') ?? null,
    region: options.text('region') ?? variable(io.env, 'REGION') ?? null,
  };
}

function acceleratorSpec(flag: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  if (/^\d{1,6}x[A-Za-z0-9_-]+$/.test(text)) return text;
  throw new AppError('USAGE', `--${flag} ${text} is not of the form COUNTxTYPE.`, {
    hint: `For example: --${flag} ${flag === 'gpu_spec' ? '2xV100' : '8xV3'}`,
  });
}

// A job with only TPUs runs in the CPU environment.
function readMode({ options }: Context): 'cpu' | 'gpu' {
  if (options.isSet('nogpu')) return 'cpu';
  return options.isSet('tpu_spec') && !options.isSet('gpu_spec') ? 'cpu' : 'gpu';
}

function generatedGroup({ io }: Context): string {
  const stamp = localTime(new Date(io.clock.now())).replace(/[ :]/g, '-');
  return `${io.user}-xgroup-${stamp}`;
}

function checkScriptArgs(words: readonly string[]): void {
  if (words.length > LIMITS.scriptArgs) {
    throw new AppError(
      'LIMIT_EXCEEDED',
      `${words.length} words stand behind \`--\`; at most ${LIMITS.scriptArgs} are taken.`,
      { hint: 'Put the values into a file that your program reads.' },
    );
  }
  const long = words.findIndex((word) => Buffer.byteLength(word) > LIMITS.argBytes);
  if (long === -1) return;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `Word ${long + 1} behind \`--\` has more than ${LIMITS.argBytes / 1024} KiB.`,
    { hint: 'Put the value into a file that your program reads.' },
  );
}
