import { describe, test } from 'vitest';
import { vertexMachine } from '../../../../shared/hardware/vertex-machine.ts';
import { GPU_MACHINES, VERTEX_GPUS } from '../../../../shared/hardware/vertex-machines.ts';

const NOTHING = { gpu: null, tpu: null, machineType: null };

describe('machine of Vertex AI', () => {
  test('without a wish it is the CPU machine of the original', ({ expect }) => {
    expect(vertexMachine(NOTHING)).toEqual({ machine: { machineType: 'n1-highcpu-32' } });
  });

  test.for([
    ['4xV100', 'n1-standard-8', 'NVIDIA_TESLA_V100', 4],
    ['1xt4', 'n1-standard-8', 'NVIDIA_TESLA_T4', 1],
    ['1xL4', 'g2-standard-4', 'NVIDIA_L4', 1],
    ['8xA100', 'a2-highgpu-8g', 'NVIDIA_TESLA_A100', 8],
    ['2xA100-80GB', 'a2-ultragpu-2g', 'NVIDIA_A100_80GB', 2],
    ['8xH200', 'a3-ultragpu-8g', 'NVIDIA_H200_141GB', 8],
  ] as const)(
    '%s runs on %s',
    ([gpu, machineType, acceleratorType, acceleratorCount], { expect }) => {
      const machine = { machineType, acceleratorType, acceleratorCount };
      expect(vertexMachine({ ...NOTHING, gpu })).toEqual({ machine });
    },
  );

  test('a named machine is taken with the GPUs asked for, right or wrong', ({ expect }) => {
    const wanted = { ...NOTHING, gpu: '3xV100', machineType: 'n1-standard-96' };
    expect(vertexMachine(wanted)).toEqual({
      machine: {
        machineType: 'n1-standard-96',
        acceleratorType: 'NVIDIA_TESLA_V100',
        acceleratorCount: 3,
      },
    });
  });

  test('a machine with built-in accelerators is asked for with them', ({ expect }) => {
    expect(vertexMachine({ ...NOTHING, machineType: 'a3-megagpu-8g' })).toMatchObject({
      machine: { acceleratorType: 'NVIDIA_H100_MEGA_80GB', acceleratorCount: 8 },
    });
    expect(vertexMachine({ ...NOTHING, machineType: 'ct6e-standard-8t' })).toMatchObject({
      machine: { tpuTopology: '2x4' },
    });
  });

  test.for([
    ['8xV2', { machineType: 'cloud-tpu', acceleratorType: 'TPU_V2', acceleratorCount: 8 }],
    ['64xv3', { machineType: 'cloud-tpu', acceleratorType: 'TPU_V3', acceleratorCount: 64 }],
    ['4xV5e', { machineType: 'ct5lp-hightpu-4t', tpuTopology: '2x2' }],
    ['1xV6E', { machineType: 'ct6e-standard-1t', tpuTopology: '1x1' }],
  ] as const)('TPU %s', ([tpu, machine], { expect }) => {
    const wanted = { gpu: null, tpu, machineType: 'cloud_tpu' };
    expect(vertexMachine(wanted)).toEqual({ machine });
  });

  test.for([
    [{ gpu: 'V100' }, /COUNTxTYPE/],
    [{ gpu: '0xV100' }, /COUNTxTYPE/],
    [{ gpu: '1x1xV100' }, /It has K80/],
    [{ gpu: '9999999999xV100' }, /COUNTxTYPE/],
    [{ gpu: '1xconstructor' }, /It has K80/],
    [{ gpu: '1xP100' }, /1xT4/],
    [{ gpu: '3xV100' }, /Possible numbers: 1, 2, 4, 8/],
    [{ gpu: '16xL4' }, /Possible numbers: 1, 2, 4, 8/],
    [{ tpu: '4xV3' }, /Possible numbers: 8/],
    [{ tpu: '2xV5E' }, /Possible numbers: 1, 4, 8/],
    [{ tpu: '8xtoString' }, /It has V2/],
    [{ tpu: '8xV3', gpu: '1xT4' }, /Leave out/],
  ] as const)('%j has no machine, and the hint says what has', ([wanted, hint], { expect }) => {
    const choice = vertexMachine({ ...NOTHING, ...wanted });
    expect(choice).toHaveProperty('problem');
    expect(choice).toHaveProperty('hint', expect.stringMatching(hint));
  });

  test('every built-in GPU can be asked for by its number', ({ expect }) => {
    for (const [, count, gpu] of GPU_MACHINES) {
      const choice = vertexMachine({ ...NOTHING, gpu: `${count}x${gpu}` });
      const acceleratorType = VERTEX_GPUS[gpu];
      expect(choice).toMatchObject({ machine: { acceleratorType, acceleratorCount: count } });
    }
  });
});
