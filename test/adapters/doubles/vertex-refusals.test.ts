import { test } from 'vitest';
import { newJob, openedVertex } from './vertex-client.ts';

const many = (count: number) => [...Array(count).keys()];
const pool = (parts: object) => newJob({}, { pool: parts });
const machine = (parts: object) => newJob({}, { machine: parts });
const container = (parts: object) => newJob({}, { container: parts });
const spec = (parts: object) => newJob({}, { spec: parts });
const labels = (of: Record<string, string>) => newJob({ labels: of });
const t4 = { acceleratorType: 'NVIDIA_TESLA_T4' };
const v5e = { machineType: 'ct5lp-hightpu-4t', tpuTopology: '2x2' };

const REFUSED: Readonly<Record<string, readonly [ReturnType<typeof newJob>, string]>> = {
  'no display name': [newJob({ displayName: '' }), 'display_name'],
  'a display name of 129': [newJob({ displayName: 'é'.repeat(129) }), 'display_name'],
  'a label with a capital': [labels({ Group: 'x' }), 'labels'],
  'a label that begins with a digit': [labels({ '1a': 'x' }), 'labels'],
  'a label value of 65': [labels({ a: 'x'.repeat(65) }), 'labels'],
  '65 labels': [labels(Object.fromEntries(many(65).map((n) => [`l${n}`, '']))), 'labels'],
  'no worker pool': [spec({ workerPoolSpecs: [] }), 'job_spec.worker_pool_specs'],
  'no job spec': [newJob({ jobSpec: null }), 'job_spec'],
  'no container': [pool({ containerSpec: null }), 'job_spec.worker_pool_specs[0]'],
  'no image': [container({ imageUri: '' }), 'container_spec.image_uri'],
  'a bad image': [container({ imageUri: 'https://x/Y' }), 'container_spec.image_uri'],
  '101 variables': [
    container({ env: many(101).map((n) => ({ name: `V${n}`, value: '' })) }),
    'container_spec.env',
  ],
  'a bad variable': [container({ env: [{ name: 'a-b', value: '' }] }), 'container_spec.env'],
  'no machine': [pool({ machineSpec: null }), 'machine_spec.machine_type'],
  'an unknown machine': [machine({ machineType: 'n1-huge' }), 'machine_spec.machine_type'],
  'an unknown accelerator': [
    machine({ acceleratorType: 99, acceleratorCount: 1 }),
    'machine_spec.accelerator_type',
  ],
  'an accelerator without a count': [machine(t4), 'machine_spec.accelerator_count'],
  'a count that is not offered': [
    machine({ ...t4, acceleratorCount: 3 }),
    'machine_spec.accelerator_count',
  ],
  'a count alone': [machine({ acceleratorCount: 1 }), 'machine_spec.accelerator_type'],
  'an accelerator on e2': [
    machine({ machineType: 'e2-standard-4', ...t4, acceleratorCount: 1 }),
    'machine_spec.accelerator_type',
  ],
  'a2 without its accelerator': [
    machine({ machineType: 'a2-highgpu-1g' }),
    'machine_spec.accelerator_type',
  ],
  'a TPU without topology': [
    machine({ machineType: 'ct5lp-hightpu-4t' }),
    'machine_spec.tpu_topology',
  ],
  'a TPU with two replicas': [
    pool({ machineSpec: v5e, replicaCount: 2 }),
    'job_spec.worker_pool_specs[0].replica_count',
  ],
  'a TPU with two pools': [
    spec({
      workerPoolSpecs: many(2).map(() => ({
        machineSpec: v5e,
        replicaCount: 1,
        containerSpec: { imageUri: 'a/b' },
      })),
    }),
    'job_spec.worker_pool_specs',
  ],
  'a negative timeout': [
    spec({ scheduling: { timeout: { seconds: -1 } } }),
    'job_spec.scheduling.timeout',
  ],
  'a bad service account': [spec({ serviceAccount: 'me' }), 'job_spec.service_account'],
  'output that is not on Cloud Storage': [
    spec({ baseOutputDirectory: { outputUriPrefix: '/tmp' } }),
    'job_spec.base_output_directory.output_uri_prefix',
  ],
};

test.for(Object.keys(REFUSED))('%s is refused', async (name, t) => {
  const { create, vertex } = await openedVertex(t);
  const [job, field] = REFUSED[name] ?? [newJob(), 'none'];
  const error = await create(job).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.expect(error).toMatchObject({ code: 3 });
  const found = String(error).match(/Field: [^;]+/g) ?? [];
  t.expect(found.map((text) => text.endsWith(field))).toContain(true);
  t.expect(vertex.jobs()).toEqual([]);
});

const ACCEPTED: Readonly<Record<string, ReturnType<typeof newJob>>> = {
  'a display name of 128 of any characters': newJob({ displayName: 'é'.repeat(128) }),
  'international labels': labels({ größe_1: 'zwölf-12' }),
  'an empty label value': labels({ a: '' }),
  'an image by digest at a registry with a port': container({
    imageUri: `127.0.0.1:5000/a/b@sha256:${'0'.repeat(64)}`,
  }),
  'accelerators that the machine can have': machine({ ...t4, acceleratorCount: 2 }),
  'the accelerator of a2': machine({
    machineType: 'a2-highgpu-1g',
    acceleratorType: 'NVIDIA_TESLA_A100',
    acceleratorCount: 1,
  }),
  'a TPU with its topology': machine(v5e),
  'a TPU of old': machine({
    machineType: 'cloud-tpu',
    acceleratorType: 'TPU_V2',
    acceleratorCount: 8,
  }),
  'a service account and output': spec({
    serviceAccount: 'runner@test-project.iam.gserviceaccount.com',
    baseOutputDirectory: { outputUriPrefix: 'gs://bucket/dir' },
  }),
};

test.for(Object.keys(ACCEPTED))('%s is accepted', async (name, t) => {
  const { create, vertex } = await openedVertex(t);
  await create(ACCEPTED[name]);
  t.expect(vertex.jobs()).toHaveLength(1);
});

test('all that is wrong is listed at once', async (t) => {
  const { create } = await openedVertex(t);
  const job = { ...machine({ machineType: 'n1-huge' }), displayName: '' };
  const details = t.expect.stringMatching(/1\.Field: display_name.*2\.Field: job_spec/s);
  await t.expect(create(job)).rejects.toMatchObject({ details });
});
