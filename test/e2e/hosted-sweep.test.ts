import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { aBase, pushImage } from '../doubles/handmade-image.ts';
import { pretend } from '../doubles/vertex/executor.ts';
import { hasPart } from '../fixtures/require.ts';
import { cloudOf, machineOf } from '../fixtures/whole-system.ts';

const EXPERIMENTS = 300;
const parts = (['registry', 'emulators'] as const).every(hasPart);

describe.runIf(parts)('a hosted sweep', { timeout: 420_000 }, () => {
  test(`${EXPERIMENTS} experiments with every push delivered twice are ${EXPERIMENTS} jobs`, async ({
    expect,
    onTestFinished,
  }) => {
    const cloud = await cloudOf(onTestFinished, {
      tickMs: 3_000,
      jobs: pretend(() => ({ pendingMs: 200, runMs: 1_000 })),
      pushFate: ({ count }) => (count % 2 === 0 ? 'twice' : 'twice-at-once'),
      listLagMs: 2_000,
      settings: (defaults) => ({
        ...defaults,
        vertex: { ...defaults.vertex, ratePerMinute: 1_200, maxActive: 1_000 },
      }),
    });
    for (const metric of ['job_or_lro_submission_requests', 'resource_management_requests']) {
      cloud.api.quotas.limit(`aiplatform.googleapis.com/${metric}`, 6_000);
    }
    const machine = machineOf(onTestFinished, cloud);
    const image = `${cloud.registry}/team/tiny:1`;
    await pushImage(`${cloud.registry}/team/tiny`, '1', aBase());

    await writeFile(join(machine.home, 'train.py'), 'print(1)\n');
    const config = JSON.stringify({ seed: Array.from({ length: EXPERIMENTS }, (_, at) => at) });
    const sweep = ['cloud', '--nogpu', '--image_tag', image, '--experiment_config', 'stdin'];
    const ran = await machine.caliban([...sweep, '--xgroup', 'twice', '--wait', 'train.py'], {
      input: config,
    });
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ status: 0 });
    expect(ran.stdout).toContain(`${EXPERIMENTS} succeeded`);

    const jobs = cloud.vertex.jobs();
    expect(jobs).toHaveLength(EXPERIMENTS);
    const attempts = jobs.map(
      ({ labels }) => `${labels['caliban_job']} ${labels['caliban_attempt']}`,
    );
    expect(new Set(attempts).size).toBe(EXPERIMENTS);
    const seeds = jobs.map((job) => job.jobSpec?.workerPoolSpecs[0]?.containerSpec?.args.join(' '));
    expect(new Set(seeds).size).toBe(EXPERIMENTS);
    // Every delivery was made twice, and none was refused.
    const pushes = cloud.pushes();
    expect(pushes.length % 2).toBe(0);
    expect(pushes.filter(({ status }) => status !== 204)).toEqual([]);
  });
});
