import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { parseRef } from '../../../../../../../functions/adapters/local/attempts/attempt-files.ts';
import {
  containerLabels,
  containerName,
  refOfLabels,
  serviceIdOf,
} from '../../../../../../../functions/adapters/local/docker/containers/container-names.ts';
import { aPlatformJob } from '../../../../../../doubles/a-platform-job.ts';

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
const ids = fc.record({
  jobId: fc.oneof(fc.stringMatching(ID), fc.stringMatching(/^[a-z0-9]{1,3}-[1-9]$/)),
  attempt: fc.integer({ min: 1, max: 999_999_999 }),
});
const SERVICE = 'abcdef012345';

describe('the name of a container', () => {
  test('is one that Docker takes', ({ expect }) => {
    fc.assert(
      fc.property(ids, (job) => {
        expect(containerName(SERVICE, job)).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/);
      }),
    );
  });

  test('is another one for another attempt', ({ expect }) => {
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        const isSame = a.jobId === b.jobId && a.attempt === b.attempt;
        expect(containerName(SERVICE, a) === containerName(SERVICE, b)).toBe(isSame);
      }),
    );
  });
});

describe('the labels of a container', () => {
  const jobs = fc
    .record({ ids, labels: fc.dictionary(fc.string(), fc.string()), lane: fc.string() })
    .map(({ ids: id, labels, lane }) => aPlatformJob({ ...id, labels, lane }));

  test('name its attempt to its own service only, whatever the job’s own labels are', ({
    expect,
  }) => {
    fc.assert(
      fc.property(jobs, (job) => {
        const labels = containerLabels(SERVICE, job);
        const ref = refOfLabels(SERVICE, labels);
        expect(parseRef(ref ?? '')).toEqual({ jobId: job.jobId, attempt: job.attempt });
        expect(refOfLabels('another00000', labels)).toBeNull();
      }),
    );
  });

  test('keep those of the job, each under a key of its own', ({ expect }) => {
    fc.assert(
      fc.property(jobs, (job) => {
        const labels = containerLabels(SERVICE, job);
        for (const [key, value] of Object.entries(job.labels)) {
          expect(labels[`dev.caliban.label.${key}`]).toBe(value);
        }
        expect(Object.keys(labels)).toHaveLength(Object.keys(job.labels).length + 5);
      }),
    );
  });

  test('that name no attempt give none', ({ expect }) => {
    const own = { 'dev.caliban.service': SERVICE };
    expect(refOfLabels(SERVICE, own)).toBeNull();
    const odd = { ...own, 'dev.caliban.job': '../../etc', 'dev.caliban.attempt': '1' };
    expect(refOfLabels(SERVICE, odd)).toBeNull();
  });
});

test('the id of a service stays with its directory', async ({ expect, onTestFinished }) => {
  const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const id = await serviceIdOf(dir);
  expect(id).toMatch(/^[0-9a-f]{12}$/);
  expect(await serviceIdOf(dir)).toBe(id);
});

test('a damaged id is refused: with another one its containers would be nobody’s', async ({
  expect,
  onTestFinished,
}) => {
  const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'service-id'), '0123\n');
  await expect(serviceIdOf(dir)).rejects.toMatchObject({
    code: 'DATA_DIR_UNUSABLE',
    message: expect.stringContaining('"0123"'),
  });
});
