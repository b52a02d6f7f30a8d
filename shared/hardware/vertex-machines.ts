/**
 * What machines of Vertex AI custom training are called. Sources: google/cloud/aiplatform/v1/accelerator_type.proto and the page
 * "Configure compute resources for serverless training", both as of 2026-08-22; retirements from Google's release notes of 2026-09-22.
 */

/** Names of accelerators by the type people write in `COUNTxTYPE`. */
export const VERTEX_GPUS = {
  K80: 'NVIDIA_TESLA_K80',
  P4: 'NVIDIA_TESLA_P4',
  P100: 'NVIDIA_TESLA_P100',
  T4: 'NVIDIA_TESLA_T4',
  V100: 'NVIDIA_TESLA_V100',
  A100: 'NVIDIA_TESLA_A100',
  A100_80GB: 'NVIDIA_A100_80GB',
  L4: 'NVIDIA_L4',
  H100: 'NVIDIA_H100_80GB',
  H100_MEGA: 'NVIDIA_H100_MEGA_80GB',
  H200: 'NVIDIA_H200_141GB',
  B200: 'NVIDIA_B200',
  GB200: 'NVIDIA_GB200',
  RTX_PRO_6000: 'NVIDIA_RTX_PRO_6000',
} as const;

export type VertexGpu = keyof typeof VERTEX_GPUS;

/** GPUs that Google gives no more, and since when. */
export const RETIRED_GPUS: Partial<Readonly<Record<VertexGpu, string>>> = {
  K80: '2024-05-01',
  P100: '2026-09-15',
};

/** GPUs that are attached to an N1 machine, and in which numbers. */
export const ATTACHED_GPUS: Partial<Readonly<Record<VertexGpu, readonly number[]>>> = {
  P4: [1, 2, 4],
  T4: [1, 2, 4],
  V100: [1, 2, 4, 8],
};

/** Machines that have their GPUs built in; of several with the same ones the smallest first. */
export const GPU_MACHINES: readonly (readonly [machine: string, count: number, gpu: VertexGpu])[] =
  [
    ['a2-highgpu-1g', 1, 'A100'],
    ['a2-highgpu-2g', 2, 'A100'],
    ['a2-highgpu-4g', 4, 'A100'],
    ['a2-highgpu-8g', 8, 'A100'],
    ['a2-megagpu-16g', 16, 'A100'],
    ['a2-ultragpu-1g', 1, 'A100_80GB'],
    ['a2-ultragpu-2g', 2, 'A100_80GB'],
    ['a2-ultragpu-4g', 4, 'A100_80GB'],
    ['a2-ultragpu-8g', 8, 'A100_80GB'],
    ['a3-highgpu-1g', 1, 'H100'],
    ['a3-highgpu-2g', 2, 'H100'],
    ['a3-highgpu-4g', 4, 'H100'],
    ['a3-highgpu-8g', 8, 'H100'],
    ['a3-megagpu-8g', 8, 'H100_MEGA'],
    ['a3-ultragpu-8g', 8, 'H200'],
    ['a4-highgpu-8g', 8, 'B200'],
    ['a4x-highgpu-4g', 4, 'GB200'],
    ['g2-standard-4', 1, 'L4'],
    ['g2-standard-8', 1, 'L4'],
    ['g2-standard-12', 1, 'L4'],
    ['g2-standard-16', 1, 'L4'],
    ['g2-standard-24', 2, 'L4'],
    ['g2-standard-32', 1, 'L4'],
    ['g2-standard-48', 4, 'L4'],
    ['g2-standard-96', 8, 'L4'],
    ['g4-standard-48', 1, 'RTX_PRO_6000'],
    ['g4-standard-96', 2, 'RTX_PRO_6000'],
    ['g4-standard-192', 4, 'RTX_PRO_6000'],
    ['g4-standard-384', 8, 'RTX_PRO_6000'],
  ];

/** TPUs that are an accelerator of the machine `cloud-tpu`: 8 cores, or pods of 32 and more. */
export const CLOUD_TPUS = { V2: 'TPU_V2', V3: 'TPU_V3' } as const;

/** TPUs that are a machine of their own, by the number of chips: its name and topology. All run on one virtual machine. */
export const TPU_MACHINES: Readonly<
  Record<string, Readonly<Record<number, readonly [machine: string, topology: string]>>>
> = {
  V5E: {
    1: ['ct5lp-hightpu-1t', '1x1'],
    4: ['ct5lp-hightpu-4t', '2x2'],
    8: ['ct5lp-hightpu-8t', '2x4'],
  },
  V6E: {
    1: ['ct6e-standard-1t', '1x1'],
    4: ['ct6e-standard-4t', '2x2'],
    8: ['ct6e-standard-8t', '2x4'],
  },
  V7X: { 4: ['tpu7x-standard-4t', '2x2x1'] },
};

/** What the original took where no machine was named. */
export const DEFAULT_MACHINES = { cpu: 'n1-highcpu-32', gpu: 'n1-standard-8' } as const;
