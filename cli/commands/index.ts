import { REDRIVE_KINDS } from '../../shared/api/redrive.ts';
import { LOG_LEVELS } from '../../shared/operating/log-level.ts';
import { CLOUD_OPTIONS } from './cloud-options.ts';
import type { CommandSpec, OptionSpec } from './command.ts';

const CONNECTION: readonly OptionSpec[] = [
  {
    flags: '--endpoint <URL>',
    summary: 'service to use, before CALIBAN_ENDPOINT and the saved one',
    group: 'Service',
  },
  { flags: '--token <TOKEN>', summary: 'token for the service', group: 'Service' },
  {
    flags: '--data_dir <DIR>',
    summary: 'data directory of the service on this machine, default CALIBAN_HOME or ~/.caliban',
    group: 'Service',
  },
];
const NO_START: OptionSpec = {
  flags: '--no_start',
  summary: 'when no service runs, fail instead of starting one on this machine',
  group: 'Service',
};
const JSON_OUT: OptionSpec = { flags: '--json', summary: 'print JSON on stdout' };
const GROUP_NOT_FOUND = [3, 'no such group'] as const;

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'cloud',
    summary: 'run a script, or every experiment of a sweep, through the service',
    about: [
      'Packs your code, sends what the service does not have yet, and submits one job for each ' +
        'experiment. On a terminal it then shows the progress; Ctrl-C leaves, the jobs go on.',
    ],
    arguments: [
      { name: 'MODULE', summary: 'what to run: trainer.train, trainer/train.py or any script' },
    ],
    passThrough: true,
    options: [...CLOUD_OPTIONS, JSON_OUT, ...CONNECTION, NO_START],
    examples: [
      { line: 'caliban cloud --nogpu train.py -- --epochs 2', summary: 'one job' },
      {
        line: 'caliban cloud --experiment_config sweep.json --xgroup lr-sweep trainer.train',
        summary: 'a sweep, in a group of its own',
      },
      {
        line: 'caliban cloud --dry_run --experiment_config sweep.json train.py',
        summary: 'what would happen',
      },
      {
        line: 'caliban cloud --wait --json train.py > result.json',
        summary: 'in a script: wait for the end, exit 1 if a job failed',
      },
    ],
    exits: [
      [1, 'a job failed (only when it waited for the end)'],
      [5, 'the image or environment cannot be built'],
    ],
    load: () => import('./cloud.ts'),
  },
  {
    name: 'status',
    summary: 'your groups, experiments and their newest jobs',
    arguments: [],
    options: [
      { flags: '--xgroup <GROUP>', summary: "one group; OWNER/NAME for a colleague's" },
      {
        flags: '--max_jobs <N>',
        summary:
          'with --xgroup: jobs per experiment (default 1), else in all (default 8); 0 for all',
      },
      { flags: '--watch', summary: 'redraw every 2 seconds until Ctrl-C' },
      JSON_OUT,
      ...CONNECTION,
    ],
    examples: [
      { line: 'caliban status', summary: 'your 8 most recent jobs' },
      { line: 'caliban status --xgroup lr-sweep', summary: 'every experiment of a group' },
    ],
    exits: [GROUP_NOT_FOUND],
    load: () => import('./status.ts'),
  },
  {
    name: 'logs',
    summary: 'the output of a job',
    arguments: [{ name: 'JOB', summary: 'id of the job, from caliban status' }],
    options: [{ flags: '-f, --follow', summary: 'go on until the job has ended' }, ...CONNECTION],
    exits: [[3, 'no such job']],
    load: () => import('./logs.ts'),
  },
  {
    name: 'stop',
    summary: 'stop every job of a group that has not ended',
    arguments: [],
    options: [
      { flags: '--xgroup <GROUP>', summary: "the group; OWNER/NAME for a colleague's" },
      { flags: '--dry_run', summary: 'show what would be stopped, stop nothing' },
      { flags: '-y, --yes', summary: 'do not ask; needed without a terminal' },
      JSON_OUT,
      ...CONNECTION,
      NO_START,
    ],
    exits: [GROUP_NOT_FOUND],
    load: () => import('./stop.ts'),
  },
  {
    name: 'expansion',
    summary: 'print the experiments of an experiment config',
    arguments: [{ name: 'FILE', summary: 'the config; - or stdin reads standard input' }],
    options: [
      { flags: '--pprint', summary: 'print indented JSON' },
      { flags: '--print_flags', summary: 'print the flags of each experiment on one line' },
    ],
    load: () => import('./expansion.ts'),
  },
  {
    name: 'serve',
    summary: 'run the service on this machine',
    about: [
      'Jobs run only while a service runs. caliban cloud and caliban stop start one by themselves; it ends after 30 idle minutes.',
    ],
    arguments: [],
    options: [
      { flags: '--port <PORT>', summary: 'port to listen on, default a free one' },
      { flags: '--host <HOST>', summary: 'address to listen on, default 127.0.0.1' },
      {
        flags: '--platform <KIND>',
        summary: 'where jobs run, default docker when it can be used',
        choices: ['docker', 'process'],
      },
      { flags: '--slots <N>', summary: 'jobs at the same time' },
      { flags: '--job_cpus <N>', summary: 'processors that one job in Docker may use' },
      { flags: '--job_memory <SIZE>', summary: 'memory that one job in Docker may use: 512m, 8g' },
      {
        flags: '--base_image <IMAGE>',
        summary: 'image that environments start from; {} in it stands for cpu or gpu',
      },
      {
        flags: '--ca_bundle <FILE>',
        summary: 'certificate authorities that builds and jobs trust, behind a proxy',
      },
      { flags: '--index_url <URL>', summary: 'package index in place of PyPI' },
      { flags: '--idle_minutes <N>', summary: 'end after N minutes without a live job' },
      {
        flags: '--log_level <LEVEL>',
        summary: 'how much its log tells, default info',
        choices: LOG_LEVELS,
      },
      { flags: '--detach', summary: 'start it in the background and return once it answers' },
      { flags: '--stop', summary: 'end the one that runs; its jobs go on and are taken up later' },
      { flags: '--status', summary: 'show whether one runs, and its jobs' },
      { flags: '--detached_child', summary: 'started by another command', hidden: true },
      JSON_OUT,
      { flags: '--token <TOKEN>', summary: 'token to demand, default a generated one' },
      {
        flags: '--data_dir <DIR>',
        summary: 'data directory, default CALIBAN_HOME or ~/.caliban',
      },
    ],
    exits: [[3, 'none runs (--status)']],
    load: () => import('./serve.ts'),
  },
  {
    name: 'endpoint set',
    summary: 'use this service from now on',
    arguments: [{ name: 'URL', summary: 'address of the service' }],
    options: [
      { flags: '--token <TOKEN>', summary: 'token for it, default CALIBAN_TOKEN' },
      JSON_OUT,
    ],
    load: () => import('./endpoint-set.ts'),
  },
  {
    name: 'endpoint show',
    summary: 'the service in use and who chose it',
    arguments: [],
    options: [JSON_OUT, ...CONNECTION],
    load: () => import('./endpoint-show.ts'),
  },
  {
    name: 'endpoint unset',
    summary: 'forget the saved service; the one on this machine is used again',
    arguments: [],
    options: [],
    load: () => import('./endpoint-unset.ts'),
  },
  {
    name: 'admin check',
    summary: 'recount everything the service keeps, and tell what differs',
    about: [
      'Changes nothing. Works while jobs run, and without a running service on the records of this machine.',
    ],
    arguments: [],
    options: [
      { flags: '--layers', summary: 'read the bytes of every code layer too; takes long' },
      JSON_OUT,
      ...CONNECTION,
    ],
    examples: [
      { line: 'caliban admin check', summary: 'the service in use' },
      { line: 'caliban admin check --data_dir /backup/monday', summary: 'a backup' },
    ],
    exits: [
      [1, 'something differs'],
      [4, 'you are no admin of the service'],
    ],
    load: () => import('./admin-check.ts'),
  },
  {
    name: 'admin backup',
    summary: 'copy everything the service on this machine keeps, while it runs',
    about: [
      'Makes a directory that caliban serve --data_dir can serve once the original is gone. It gets its name only when it is whole.',
    ],
    arguments: [{ name: 'DIR', summary: 'directory to make; must not be there, or be empty' }],
    options: [
      JSON_OUT,
      {
        flags: '--data_dir <DIR>',
        summary: 'data directory to copy, default CALIBAN_HOME or ~/.caliban',
      },
    ],
    examples: [
      { line: 'caliban admin backup /backup/monday', summary: 'a copy, to be checked and kept' },
    ],
    load: () => import('./admin-backup.ts'),
  },
  {
    name: 'admin redrive',
    summary: 'try again what the service gave up',
    about: [
      'Messages that failed ten times are put aside, and a hosted service has dead letters besides. Once the cause is mended, this makes the service try them again.',
    ],
    arguments: [],
    options: [
      { flags: '--dry_run', summary: 'only count them' },
      { flags: '--kind <KIND>', summary: 'one kind of message', choices: REDRIVE_KINDS },
      JSON_OUT,
      ...CONNECTION,
      NO_START,
    ],
    examples: [{ line: 'caliban admin redrive --dry_run', summary: 'how many there are' }],
    exits: [[4, 'you are no admin of the service']],
    load: () => import('./admin-redrive.ts'),
  },
  {
    name: 'version',
    summary: 'the version of this program',
    arguments: [],
    options: [JSON_OUT],
    load: () => import('./version.ts'),
  },
];
