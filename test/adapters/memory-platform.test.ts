import { describe, test } from 'vitest';
import { createMemoryPlatform } from '../../functions/adapters/memory/memory-platform.ts';
import { PlatformRefusal } from '../../functions/ports/platform.ts';
import type { Clock } from '../../functions/ports/runtime.ts';
import { aJob, type PlatformHarness, platformContract } from '../contract/platform.ts';

platformContract('memory', open);

describe('memory platform', () => {
  test('a job shows only after the list lag', async ({ expect }) => {
    const harness = await open({ listLagMs: 3 });
    await harness.platform.submit(aJob(harness, { jobId: 'shy', program: { endless: true } }));
    expect(await harness.platform.find('shy')).toEqual([]);
    for (let i = 0; i < 3; i++) await harness.pass();
    expect(await harness.platform.find('shy')).toHaveLength(1);
  });

  test('more living jobs than its limit are refused for quota until one ends', async ({
    expect,
  }) => {
    const harness = await open({ maxActive: 1 });
    await harness.platform.submit(aJob(harness, { jobId: 'a' }));
    const second = aJob(harness, { jobId: 'b' });
    await expect(harness.platform.submit(second)).rejects.toThrow(PlatformRefusal);
    for (let i = 0; i < 5; i++) await harness.pass();
    await expect(harness.platform.submit(second)).resolves.toEqual({ ref: 'b.1' });
  });
});

async function open(
  options: { readonly listLagMs?: number; readonly maxActive?: number } = {},
): Promise<PlatformHarness> {
  let now = 1_700_000_000_000;
  const clock: Clock = {
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  };
  const platform = createMemoryPlatform({
    clock,
    kind: 'vertex',
    createDeadlineMs: 1000,
    listLagMs: 0,
    durationMs: (job) => (job.labels['endless'] === 'yes' ? Number.POSITIVE_INFINITY : 5),
    exitCode: (job) => Number(job.command[1]),
    output: (job) => (job.command[2] ?? '') + job.args.map((word) => `<${word}>\n`).join(''),
    ...options,
  });
  return {
    platform,
    clock,
    program: (program) => ({
      run: { kind: 'image', digest: 'sha256:0' },
      command: ['pretend', String(program.exitCode ?? 0), program.prints ?? ''],
      args: program.printsArguments ?? [],
      labels: { endless: program.endless === true ? 'yes' : 'no' },
    }),
    pass: () => clock.sleep(1),
    close: async () => undefined,
  };
}
