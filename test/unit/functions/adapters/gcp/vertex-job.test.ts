import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  type VertexJobSettings,
  vertexJob,
} from '../../../../../functions/adapters/gcp/vertex-job.ts';
import { type PlatformJob, PlatformRefusal } from '../../../../../functions/ports/platform.ts';

const SETTINGS: VertexJobSettings = {
  instanceLabel: 'lab',
  repository: 'us-central1-docker.pkg.dev/my-project/caliban',
  serviceAccount: 'jobs@my-project.iam.gserviceaccount.com',
  network: 'projects/123/global/networks/lab',
  outputDirectory: 'gs://bucket/out/',
  timeoutMs: 3_600_000,
  scheduling: 'standard',
};
const DIGEST = `sha256:${'0'.repeat(64)}`;
const JOB: PlatformJob = {
  jobId: 'abc-07',
  attempt: 2,
  lane: 'vertex:my-project:us-central1',
  name: 'sweep',
  run: { kind: 'image', digest: DIGEST },
  command: ['python', '-m', 'train'],
  args: ['--lr', '0.1'],
  labels: { team: 'vision' },
  hardware: { gpu: '1xT4', tpu: null, machineType: null, region: null },
  createBy: 0,
};

describe('custom job of a job', () => {
  test('has all that was asked for', ({ expect }) => {
    expect(vertexJob(SETTINGS, JOB)).toEqual({
      dropped: [],
      customJob: {
        displayName: 'sweep',
        labels: { team: 'vision', caliban: 'lab', caliban_job: 'abc-07', caliban_attempt: '2' },
        jobSpec: {
          workerPoolSpecs: [
            {
              machineSpec: {
                machineType: 'n1-standard-8',
                acceleratorType: 'NVIDIA_TESLA_T4',
                acceleratorCount: 1,
              },
              replicaCount: 1,
              containerSpec: {
                imageUri: `${SETTINGS.repository}/run@${DIGEST}`,
                args: ['--lr', '0.1'],
                env: [
                  { name: 'PYTHONUNBUFFERED', value: '1' },
                  { name: 'CALIBAN_JOB_ID', value: 'abc-07' },
                  { name: 'CALIBAN_ATTEMPT', value: '2' },
                ],
              },
            },
          ],
          scheduling: {
            timeout: { seconds: 3600 },
            strategy: 'STANDARD',
            disableRetries: true,
            restartJobOnWorkerRestart: false,
          },
          serviceAccount: SETTINGS.serviceAccount,
          network: SETTINGS.network,
          baseOutputDirectory: { outputUriPrefix: 'gs://bucket/out/abc-07/2' },
        },
      },
    });
  });

  test('what is not set is not sent', ({ expect }) => {
    const bare = { ...SETTINGS, serviceAccount: null, network: null, outputDirectory: null };
    const { jobSpec } = vertexJob(bare, JOB).customJob;
    expect(Object.keys(jobSpec ?? {})).toEqual(['workerPoolSpecs', 'scheduling']);
  });

  test('a given image is sent as it is, with the command', ({ expect }) => {
    const digest = 'docker.io/library/python@sha256:11';
    const { jobSpec } = vertexJob(SETTINGS, { ...JOB, run: { kind: 'image', digest } }).customJob;
    expect(jobSpec?.workerPoolSpecs?.[0]?.containerSpec).toMatchObject({
      imageUri: digest,
      command: ['python', '-m', 'train'],
      args: ['--lr', '0.1'],
    });
  });

  test('a flexible start waits a day for its machine', ({ expect }) => {
    const { jobSpec } = vertexJob({ ...SETTINGS, scheduling: 'flex-start' }, JOB).customJob;
    expect(jobSpec?.scheduling).toMatchObject({
      strategy: 'FLEX_START',
      maxWaitDuration: { seconds: 86_400 },
    });
  });

  test('labels: ours always, the last of the user dropped first', ({ expect }) => {
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`l${i}`, 'x']));
    const labels = { caliban_job: 'other', 'goog-x': 'y', ...many };
    const { customJob, dropped } = vertexJob(SETTINGS, { ...JOB, labels });
    const made = customJob.labels ?? {};
    expect(Object.keys(made)).toHaveLength(64);
    expect(made).toMatchObject({ caliban: 'lab', caliban_job: 'abc-07', caliban_attempt: '2' });
    expect(made).toHaveProperty('l60');
    expect(dropped).toEqual([
      'caliban_job',
      'goog-x',
      ...Array.from({ length: 9 }, (_, i) => `l${61 + i}`),
    ]);
  });

  test('any name is shown, at most 128 characters of it', ({ expect }) => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
        const shown = vertexJob(SETTINGS, { ...JOB, name }).customJob.displayName ?? '';
        expect([...shown].length).toBeGreaterThan(0);
        expect([...shown].length).toBeLessThanOrEqual(128);
        expect(shown.isWellFormed()).toBe(true);
        expect(shown).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  test('arguments are sent exactly', ({ expect }) => {
    const args = ['', ' ', '$(id)', '$HOME', "'", '"', '\n', '--', 'ü😀'];
    const { jobSpec } = vertexJob(SETTINGS, { ...JOB, args }).customJob;
    expect(jobSpec?.workerPoolSpecs?.[0]?.containerSpec?.args).toEqual(args);
  });

  test.for([
    ['a NUL', { args: ['a\0'] }],
    ['half a character', { args: ['\uD83D'] }],
    ['no image', { run: { kind: 'workspace', venvKey: null, layers: [] } }],
    ['a job id that is no label', { jobId: 'A"b' }],
    ['a GPU that is none', { hardware: { ...JOB.hardware, gpu: '1xVoodoo' } }],
  ] as const)('%s is refused for good, with a hint', ([, changes], { expect }) => {
    const refused = () => vertexJob(SETTINGS, { ...JOB, ...changes });
    expect(refused).toThrow(PlatformRefusal);
    expect(refused).toThrow(
      expect.objectContaining({ kind: 'permanent', hint: expect.stringMatching(/./) }),
    );
  });
});
