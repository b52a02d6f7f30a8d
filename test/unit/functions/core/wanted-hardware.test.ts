import { test } from 'vitest';
import { wantedHardware } from '../../../../functions/core/wanted-hardware.ts';

const NONE = { gpu: null, tpu: null, machineType: null, region: null };
const vertex = { platform: 'vertex' } as const;

test('jobs for GPUs get one when nothing is said, other jobs none', ({ expect }) => {
  expect(wantedHardware(vertex, { mode: 'gpu', hardware: NONE }).gpu).toBe('1xT4');
  expect(wantedHardware(vertex, { mode: 'cpu', hardware: NONE })).toEqual(NONE);
  const asked = { ...NONE, machineType: 'a2-highgpu-1g' };
  expect(wantedHardware(vertex, { mode: 'gpu', hardware: asked })).toEqual(asked);
  const here = { platform: 'process' } as const;
  expect(wantedHardware(here, { mode: 'gpu', hardware: NONE })).toEqual(NONE);
});

test('hardware that nobody has is refused with what there is', ({ expect }) => {
  for (const [hardware, named] of [
    [{ ...NONE, gpu: '1xP100' }, 'P100'],
    [{ ...NONE, gpu: '1xABACUS' }, 'ABACUS'],
    [{ ...NONE, tpu: '8xV99' }, 'V99'],
  ] as const) {
    expect(() => wantedHardware(vertex, { mode: 'gpu', hardware })).toThrow(
      expect.objectContaining({
        code: 'PLATFORM_UNSUPPORTED',
        message: expect.stringContaining(named),
        hint: expect.stringMatching(/./),
      }),
    );
  }
});
