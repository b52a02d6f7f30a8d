import type { OptionSpec } from './command.ts';

const WHAT = 'What runs';
const SWEEP = 'Sweep';
const HARDWARE = 'Hardware and place';
const AFTER = 'Afterwards';

/** The flags of `cloud`: the original's, and how to wait. */
export const CLOUD_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '-d, --dir <DIR>',
    summary: 'another directory to pack, below this one',
    group: WHAT,
    repeats: true,
  },
  {
    flags: '--extras <EXTRAS>',
    summary: 'extra dependencies to install',
    group: WHAT,
    repeats: true,
  },
  {
    flags: '--image_tag <IMAGE>',
    summary: 'run this image as it is: nothing is packed or built',
    group: WHAT,
  },
  { flags: '--docker_run_args <ARGS>', summary: 'only for containers of your own', hidden: true },
  {
    flags: '--experiment_config <FILE>',
    summary: 'experiment config; the word stdin reads standard input',
    group: SWEEP,
  },
  {
    flags: '--xgroup <GROUP>',
    summary: 'experiment group to add to or make, default a new one',
    group: SWEEP,
  },
  {
    flags: '--name <NAME>',
    summary: 'name shown for the jobs, and their label job_name',
    group: SWEEP,
  },
  {
    flags: '-l, --label <KEY=VALUE>',
    summary: 'label on every job',
    group: SWEEP,
    repeats: true,
  },
  {
    flags: '--dry_run',
    summary: 'show the number of jobs, the image and first command lines; do nothing',
    group: SWEEP,
  },
  { flags: '--nogpu', summary: 'CPU only; without it jobs are for GPUs', group: HARDWARE },
  { flags: '--gpu_spec <COUNTxTYPE>', summary: 'GPUs of each job: 2xV100', group: HARDWARE },
  { flags: '--tpu_spec <COUNTxTYPE>', summary: 'TPUs of each job: 8xV3', group: HARDWARE },
  { flags: '--machine_type <TYPE>', summary: 'machine type of each job', group: HARDWARE },
  { flags: '--region <REGION>', summary: 'region, default REGION', group: HARDWARE },
  {
    flags: '--project_id <PROJECT>',
    summary: 'cloud project, default PROJECT_ID',
    group: HARDWARE,
  },
  {
    flags: '--cloud_key <FILE>',
    summary: 'accepted for old scripts: the service has its own credentials',
    group: HARDWARE,
  },
  {
    flags: '--force',
    summary: 'accepted for old scripts: it skips no check',
    group: HARDWARE,
  },
  { flags: '--wait', summary: 'return when every job has ended', group: AFTER },
  { flags: '--no_wait', summary: 'return once the jobs are accepted', group: AFTER },
];
