import type { PlatformJob } from '../../functions/ports/platform.ts';

/** A job as a platform is asked to create it: `train.py` in an image. */
export function aPlatformJob(changes: Partial<PlatformJob> = {}): PlatformJob {
  return {
    jobId: 'job1',
    attempt: 1,
    lane: 'this-machine',
    name: 'name',
    run: { kind: 'image', digest: `sha256:${'a'.repeat(64)}` },
    command: ['python', 'train.py'],
    args: ['--lr', '0.1'],
    labels: {},
    hardware: { gpu: null, tpu: null, machineType: null, region: null },
    createBy: 60_000,
    ...changes,
  };
}
