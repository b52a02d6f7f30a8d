import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import type { PackedLayer, Packer, PackRequest } from '../../../../cli/lib/parts.ts';
import { NO_DEPENDENCIES } from '../../../../cli/lib/submission.ts';
import { submissionSpec } from '../../../../shared/api/submissions.ts';
import { aGroup, aJob, aService, aSubmission, someCounts } from '../../../doubles/api-views.ts';
import { type CliOptions, createTestCli } from '../../../doubles/cli.ts';
import { type FakeState, startFakeService } from '../../../doubles/fake-service.ts';

describe('cloud', () => {
  test('packs, sends and submits, and returns once accepted without a terminal', async (t) => {
    const { run, state, packed } = await setUp(t);
    const { status, stdout, stderr } = await run([
      '--nogpu',
      '--xgroup',
      'sweep',
      '-d',
      'data',
      '--name=first try',
      '-l',
      'team=a',
      'train.py',
      '--',
      '--epochs',
      '2',
      '--',
      'x',
    ]);
    t.expect(status).toBe(0);
    t.expect(stdout).toBe('1 job accepted in group sweep on process\n');
    t.expect(stderr).toContain('See them with: caliban status --xgroup sweep');
    t.expect(packed).toMatchObject([{ module: 'train.py', extraDirs: ['data'], mode: 'cpu' }]);
    t.expect(state.layers.size).toBe(2);
    const [submission] = state.submissions;
    t.expect(submissionSpec.parse(submission?.spec)).toMatchObject({
      scriptArgs: ['--epochs', '2', '--', 'x'],
      group: 'sweep',
      name: 'first try',
      labels: { job_name: 'first try', team: 'a' },
      mode: 'cpu',
      config: null,
    });
  });

  test('names a new group after the user and the time', async (t) => {
    const { run, state } = await setUp(t);
    await run(['train.py']);
    t.expect(state.submissions[0]?.spec.group).toMatch(
      /^totoro-xgroup-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d$/,
    );
  });

  test('every invocation has a key of its own', async (t) => {
    const { run, state } = await setUp(t);
    await run(['train.py']);
    await run(['train.py']);
    t.expect(new Set(state.submissions.map(({ key }) => key)).size).toBe(2);
  });

  test('takes hardware, project and region from flags, then from the environment', async (t) => {
    const { run, state } = await setUp(t);
    const env = { REGION: 'us-east1', PROJECT_ID: 'env-project' };
    await run(['--gpu_spec', '2xV100', '--machine_type', 'n1', 'train.py'], { env });
    await run(['--tpu-spec=8xV3', '--region', 'here', '--project_id', 'mine', 'train.py'], { env });
    t.expect(
      state.submissions.map(({ spec }) => [spec.mode, spec.projectId, spec.hardware]),
    ).toEqual([
      ['gpu', 'env-project', { gpu: '2xV100', tpu: null, machineType: 'n1', region: 'us-east1' }],
      ['cpu', 'mine', { gpu: null, tpu: '8xV3', machineType: null, region: 'here' }],
    ]);
  });

  test('--json prints the submission', async (t) => {
    const { run } = await setUp(t);
    const { stdout } = await run(['--json', 'train.py']);
    t.expect(JSON.parse(stdout)).toMatchObject({ id: 's1', done: false });
  });

  test('removes what was spooled, also after a failure', async (t) => {
    const { run, disposed } = await setUp(t, {
      fault: (request) => (request.endsWith('/submissions') ? { code: 'FORBIDDEN' } : undefined),
    });
    t.expect((await run(['train.py'])).status).toBe(4);
    t.expect(disposed()).toBe(1);
  });
});

describe('cloud refuses, before anything is packed or sent,', () => {
  test.for([
    [['--gpu_spec', 'V100', 'x.py'], 'COUNTxTYPE'],
    [['--tpu_spec', '8XV3', 'x.py'], 'COUNTxTYPE'],
    [['--nogpu', '--gpu_spec', '1xT4', 'x.py'], 'contradict'],
    [['--wait', '--no_wait', 'x.py'], 'contradict'],
    [['-l', 'a:b', 'x.py'], 'a:b'],
    [['--name', 'n'.repeat(400), 'x.py'], '--name has 400 characters; at most 100.'],
    [['--name', 'two\nlines', 'x.py'], '--name has control characters'],
    [['--name=', 'x.py'], '--name is empty'],
    [['--xgroup', 'bad name/x/y', 'x.py'], '--xgroup "bad name/x/y" is not'],
    [['--xgroup', 'g'.repeat(129), 'x.py'], '--xgroup has 129 characters; at most 128.'],
    [['--xgroup=', 'x.py'], 'NAME or OWNER/NAME'],
    [['-l', `a=${'v'.repeat(1_001)}`, 'x.py'], '--label: a: '],
    [['-l', `${'k'.repeat(201)}=v`, 'x.py'], '<=200 characters'],
    [['-l', 'a=\u0007', 'x.py'], '--label a has control characters'],
    [Array.from({ length: 61 }, (_, i) => `-lk${i}=v`).concat('x.py'), 'at most 60 labels'],
    [['--experiment_config', 'missing.json', 'x.py'], 'missing.json does not exist'],
    [['--experiment_config', '.', 'x.py'], 'is not a file'],
    [['--experiment_config', 'bad.json', 'x.py'], 'line 1, column 2'],
    [['--experiment_config', 'binary.json', 'x.py'], 'not UTF-8'],
    [['x.py', '--', 'a'.repeat(33_000)], '32 KiB'],
    [['x.py', '--', ...Array.from({ length: 1_001 }, () => 'a')], 'at most 1000'],
  ] as const)('%#', async ([argv, text], t) => {
    const { run, state, packed, cwd } = await setUp(t);
    await writeFile(join(cwd, 'bad.json'), '{{{');
    await writeFile(join(cwd, 'binary.json'), Buffer.from([0xff, 0xfe]));
    const { status, stderr } = await run([...argv]);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain(text);
    t.expect({ packed, requests: state.requests }).toEqual({ packed: [], requests: [] });
  });

  test('a config that is too large, naming the limit', async (t) => {
    const { run, state, cwd } = await setUp(t);
    await writeFile(join(cwd, 'huge.json'), ' '.repeat(32 * 1024 ** 2 + 1));
    const { status, stderr } = await run(['--experiment_config', 'huge.json', 'x.py']);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain('at most 32 MiB');
    t.expect(state.requests).toEqual([]);
  });
});

describe('the experiment config', () => {
  test('is sent as written', async (t) => {
    const { run, state, cwd } = await setUp(t);
    const text = '{"lr": [1e-05, 1.0]}  # größer\n';
    await writeFile(join(cwd, 'sweep.json'), text);
    await run(['--experiment_config', 'sweep.json', 'x.py']);
    t.expect(state.submissions[0]?.spec.config).toBe(text);
  });

  test.for(['~/sweep.json', 'stdin', 'STDIN'])('is read from %s', async (source, t) => {
    const { run, state, cwd } = await setUp(t);
    await writeFile(join(cwd, 'sweep.json'), '{"a": 1}');
    await run([`--experiment_config=${source}`, 'x.py'], { stdin: '{"a": 1}' });
    t.expect(state.submissions[0]?.spec.config).toBe('{"a": 1}');
  });

  test('travels as a layer when it is large', async (t) => {
    const { run, state, cwd } = await setUp(t);
    const text = `{"a": "${'x'.repeat(600_000)}"}`;
    await writeFile(join(cwd, 'sweep.json'), text);
    const { status } = await run(['--experiment_config', 'sweep.json', 'x.py']);
    t.expect(status).toBe(0);
    const { config, configLayer } = submissionSpec.parse(state.submissions[0]?.spec);
    t.expect(config).toBeNull();
    t.expect(state.layers.get(configLayer ?? '')?.toString()).toBe(text);
  });
});

test.for([
  [[], ''],
  [['--json'], '{\n  "jobs": 0\n}\n'],
  [['--dry_run'], ''],
] as const)('a config that stands for nothing sends nothing (%j)', async ([flags, out], t) => {
  const { run, state, packed, cwd } = await setUp(t);
  await writeFile(join(cwd, 'empty.json'), '[]');
  const done = await run([...flags, '--experiment_config', 'empty.json', 'x.py']);
  t.expect(done).toMatchObject({ status: 0, stdout: out });
  t.expect(done.stderr).toBe(
    'The experiment config stands for no experiment (an empty list?); nothing was sent.\n',
  );
  t.expect({ packed, requests: state.requests }).toEqual({ packed: [], requests: [] });
});

describe('hardware flags', () => {
  const note = 'hardware flags have no effect on the process platform';

  test.for([[], ['--dry_run']])(
    'are noted once as without effect on processes (%j)',
    async (flags, t) => {
      const { run } = await setUp(t);
      const argv = ['--gpu_spec=1xT4', '--region', 'here', 'x.py'];
      t.expect((await run([...flags, ...argv])).stderr.split(note)).toHaveLength(2);
      t.expect((await run([...flags, 'x.py'], { env: { REGION: 'r' } })).stderr).not.toContain(
        note,
      );
    },
  );

  test('are not noted elsewhere', async (t) => {
    const { run } = await setUp(t, { progress: [aSubmission({ platform: 'vertex' })] });
    t.expect((await run(['--gpu_spec=1xT4', 'x.py'])).stderr).not.toContain(note);
  });
});

test('--docker_run_args is refused: it does not apply to jobs of a service', async (t) => {
  const { run, packed } = await setUp(t);
  const { status, stderr } = await run(['--docker_run_args=--volume /a:/b', 'x.py']);
  t.expect(status).toBe(2);
  t.expect(stderr).toContain('--docker_run_args does not apply to cloud.');
  t.expect(stderr).toContain('caliban serve --job_memory');
  t.expect(packed).toEqual([]);
});

describe('--image_tag', () => {
  test('is refused where jobs are plain processes, before anything is submitted', async (t) => {
    const { run, state, packed } = await setUp(t);
    const { status, stderr } = await run(['--image_tag', 'img:1', 'x.py']);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain('without images: it cannot provide the image img:1.');
    t.expect({ packed, submitted: state.submissions }).toEqual({ packed: [], submitted: [] });
  });

  test('elsewhere packs and sends nothing, and says what it ignores', async (t) => {
    const { run, state, packed } = await setUp(t, {
      service: aService({ defaultPlatform: 'vertex' }),
    });
    const { status, stderr } = await run(['--image_tag', 'img:1', '-d', 'data', 'x.py']);
    t.expect(status).toBe(0);
    t.expect(stderr).toContain('--dir has no effect with --image_tag');
    t.expect(packed).toEqual([]);
    t.expect(state.layers.size).toBe(0);
    t.expect(submissionSpec.parse(state.submissions[0]?.spec)).toMatchObject({
      image: 'img:1',
      codeLayers: [],
      command: ['python', 'x.py'],
    });
  });
});

describe('--dry_run', () => {
  test('prints jobs, image and command lines, and changes nothing', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stdout } = await run(['--dry_run', 'x.py']);
    t.expect(status).toBe(0);
    t.expect(stdout).toBe(
      [
        '4 jobs in group sweep (new) on process',
        'image: A new environment is made.',
        '  job 0: python cpu.py --lr 0.1',
        '  and 3 more',
        '',
      ].join('\n'),
    );
    t.expect(state.requests).toEqual(['POST /v1/plans']);
  });

  test('--json prints the plan', async (t) => {
    const { run, state } = await setUp(t);
    t.expect(JSON.parse((await run(['--dry_run', '--json', 'x.py'])).stdout)).toEqual(state.plan);
  });
});

describe('waiting', () => {
  const image = { state: 'waiting', reference: null, message: null } as const;
  const progress = [
    ...Array.from({ length: 3 }, () => aSubmission({ jobs: 4, image })),
    aSubmission({ jobs: 4, counts: someCounts({ SUBMITTED: 2, RUNNING: 2 }) }),
    aSubmission({ jobs: 4, counts: someCounts({ RUNNING: 1, SUCCEEDED: 3 }) }),
    aSubmission({ jobs: 4, counts: someCounts({ SUCCEEDED: 4 }), done: true }),
  ];

  test('on a terminal shows progress, rate and time left, and ends with the counts', async (t) => {
    const { run } = await setUp(t, { progress });
    const { status, stdout, stderr } = await run(['x.py'], { tty: true });
    t.expect(status).toBe(0);
    t.expect(stdout).toBe(
      '1 job accepted in group sweep on process\n4 jobs: 4 succeeded\n'.replace('1 job', '4 jobs'),
    );
    t.expect(stderr).toContain('Sending code ████');
    t.expect(stderr).toContain('preparing the image or environment');
    t.expect(stderr).toContain('3 of 4 ended');
    t.expect(stderr).toMatch(/\d\/(s|min), about \d+ s left/);
  });

  test('what the environment waits for is told as it is', async (t) => {
    const message = 'The Docker engine does not answer. Start Docker.';
    const away = aSubmission({ jobs: 4, image: { ...image, message } });
    const { run } = await setUp(t, { progress: [away, away, ...progress.slice(-1)] });
    for (const options of [{ tty: true }, {}]) {
      const { stderr } = await run(['--wait', 'x.py'], options);
      t.expect(stderr).toContain(`waits: ${message}`);
    }
  });

  test('a preparation that no one notices is not told', async (t) => {
    const { run } = await setUp(t, { progress: progress.slice(2) });
    for (const options of [{ tty: true }, {}]) {
      const { stderr } = await run(['--wait', 'x.py'], options);
      t.expect(stderr).not.toContain('preparing');
    }
  });

  test('Ctrl-C on a terminal leaves with status 0 and says how to come back', async (t) => {
    const { run, state } = await setUp(t, { progress: progress.slice(0, 2) });
    const { status, stderr } = await run(['--xgroup', 'my sweep', 'x.py'], {
      tty: true,
      onSleep: (count, interrupt) => (count === 3 ? interrupt() : undefined),
    });
    t.expect(status).toBe(0);
    t.expect(stderr).toContain(
      "Left; the jobs go on. See them with: caliban status --xgroup 'my sweep'",
    );
    t.expect(state.stopped).toEqual([]);
  });

  test('Ctrl-C in a script that waits is status 130: the end is not known', async (t) => {
    const { run } = await setUp(t, { progress: progress.slice(0, 2) });
    const { status } = await run(['--wait', 'x.py'], {
      onSleep: (count, interrupt) => (count === 2 ? interrupt() : undefined),
    });
    t.expect(status).toBe(130);
  });

  test('--no_wait on a terminal returns once accepted', async (t) => {
    const { run, state } = await setUp(t, { progress });
    t.expect((await run(['--no_wait', 'x.py'], { tty: true })).status).toBe(0);
    t.expect(state.requests.some((line) => line.startsWith('GET /v1/submissions'))).toBe(false);
  });

  test('--wait without a terminal prints a line per change, now and then', async (t) => {
    const long = [
      ...Array.from({ length: 20 }, (_, i) =>
        aSubmission({ jobs: 20, counts: someCounts({ RUNNING: 20 - i, SUCCEEDED: i }) }),
      ),
      aSubmission({ jobs: 20, counts: someCounts({ SUCCEEDED: 20 }), done: true }),
    ];
    const { run } = await setUp(t, { progress: long });
    const { status, stdout, stderr } = await run(['--wait', 'x.py']);
    t.expect(status).toBe(0);
    const lines = stderr.match(/^20 jobs: .*$/gm) ?? [];
    t.expect(lines.length).toBeGreaterThan(2);
    t.expect(lines.length).toBeLessThan(8);
    t.expect(`${stdout}${stderr}`.split('20 jobs: 20 succeeded')).toHaveLength(2);
  });

  test('a failed job is status 1, with its cause and its log', async (t) => {
    const { run } = await setUp(t, {
      progress: [
        aSubmission({ jobs: 2, counts: someCounts({ RUNNING: 2 }) }),
        aSubmission({ jobs: 2, counts: someCounts({ SUCCEEDED: 1, FAILED: 1 }), done: true }),
      ],
      groups: [aGroup()],
      jobs: [
        ...Array.from({ length: 120 }, (_, i) =>
          failed(`s0-${i}`, 'Exit code 9 of another submission.', 's0'),
        ),
        failed('s1-1', 'Exit code 3.', 's1'),
      ],
    });
    const { status, stdout, stderr } = await run(['--wait', 'x.py']);
    t.expect(status).toBe(1);
    t.expect(stdout).toContain('2 jobs: 1 succeeded, 1 failed');
    t.expect(stderr).toContain('failed: Exit code 3.  caliban logs s1-1');
    t.expect(stderr).not.toContain('another submission');
  });

  test('failed jobs do not matter to who did not wait', async (t) => {
    const { run } = await setUp(t, {
      progress: [aSubmission({ counts: someCounts({ FAILED: 1 }) })],
    });
    t.expect((await run(['x.py'])).status).toBe(0);
  });

  test('an image that cannot be made is status 5 with the reason', async (t) => {
    const image = { state: 'failed', reference: null, message: 'pip found no torch==99' } as const;
    const { run } = await setUp(t, {
      progress: [
        aSubmission(),
        aSubmission({ image, counts: someCounts({ FAILED: 1 }), done: true }),
      ],
      groups: [aGroup()],
    });
    const { status, stderr } = await run(['--wait', 'x.py']);
    t.expect(status).toBe(5);
    t.expect(stderr).toContain('pip found no torch==99');
  });

  test('--wait --json prints the end, once', async (t) => {
    const { run } = await setUp(t, { progress });
    const { stdout } = await run(['--wait', '--json', 'x.py']);
    t.expect(JSON.parse(stdout)).toEqual(progress.at(-1));
  });

  test('goes on over a service that fails for a while', async (t) => {
    const { run } = await setUp(t, {
      progress,
      fault: (request, count) =>
        request === 'GET /v1/submissions/s1' && count < 4 ? 'drop' : undefined,
    });
    t.expect((await run(['--wait', 'x.py'])).status).toBe(0);
  });
});

function failed(id: string, message: string, submissionId: string) {
  const cause = { code: 'exit-code', message } as const;
  return aJob({ id, submissionId, cause, state: 'FAILED', stage: 'FAILED' });
}

async function setUp(t: TestContext, given: Partial<FakeState> = {}) {
  const cli = createTestCli(t.onTestFinished);
  const { url, state } = await startFakeService(t.onTestFinished, given);
  const packed: PackRequest[] = [];
  let disposed = 0;
  const layer = async (text: string): Promise<PackedLayer> => {
    const diffId = createHash('sha256').update(text).digest('hex');
    const path = join(cli.cwd, diffId);
    await writeFile(path, text);
    const size = Buffer.byteLength(text);
    return {
      diffId,
      uncompressedSize: size,
      spool: async () => ({ path, size, encoding: 'identity' }),
    };
  };
  const packer: Packer = {
    resolveModule: async (_, module) => ({ scriptPath: module, command: ['python', module] }),
    async pack(request) {
      packed.push(request);
      const layers = [await layer('code'), await layer('dependencies')];
      const [code, dependency] = layers.map(({ diffId }) => diffId);
      return {
        scriptPath: request.module,
        command: ['python', request.module],
        layers,
        codeLayers: code === undefined ? [] : [code],
        dependencies: { ...NO_DEPENDENCIES, layer: dependency ?? null },
      };
    },
    packConfig: layer,
    async dispose() {
      disposed++;
    },
  };
  const parts = { packer: async () => packer };
  const run = (flags: string[], options: CliOptions = {}) =>
    cli.run(['cloud', ...flags], {
      ...options,
      parts,
      env: { CALIBAN_ENDPOINT: url, CALIBAN_TOKEN: 'secret', ...options.env },
    });
  return { run, state, packed, disposed: () => disposed, cwd: cli.cwd };
}
