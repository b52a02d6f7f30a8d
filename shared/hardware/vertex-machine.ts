import {
  ATTACHED_GPUS,
  CLOUD_TPUS,
  DEFAULT_MACHINES,
  GPU_MACHINES,
  RETIRED_GPUS,
  TPU_MACHINES,
  VERTEX_GPUS,
  type VertexGpu,
} from './vertex-machines.ts';

/** What was asked for: `COUNTxTYPE` for accelerators, null where nothing was said. */
export interface WantedHardware {
  readonly gpu: string | null;
  readonly tpu: string | null;
  readonly machineType: string | null;
}

/** `google.cloud.aiplatform.v1.MachineSpec`, the part that is used. */
export interface VertexMachine {
  readonly machineType: string;
  readonly acceleratorType?: VertexAccelerator;
  readonly acceleratorCount?: number;
  readonly tpuTopology?: string;
}

/** Names of `google.cloud.aiplatform.v1.AcceleratorType`, those that jobs can have. */
export type VertexAccelerator =
  | (typeof VERTEX_GPUS)[VertexGpu]
  | (typeof CLOUD_TPUS)[keyof typeof CLOUD_TPUS];

/** A machine, or why there is none and what to write instead. */
export type MachineChoice =
  | { readonly machine: VertexMachine }
  | { readonly problem: string; readonly hint: string };

/** The pages where counts, types and machines are listed. */
const PAGE =
  'https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/training/configure-compute';

/**
 * The machine of Vertex AI for what was asked for. Only says no where nothing can be asked of Google: whether a named machine takes a
 * number of GPUs, and where there are any, is Google's to say.
 */
export function vertexMachine(wanted: WantedHardware): MachineChoice {
  if (wanted.tpu !== null) return tpuMachine(wanted.tpu, wanted);
  const machineType = wanted.machineType === 'cloud_tpu' ? 'cloud-tpu' : wanted.machineType;
  if (wanted.gpu !== null) return gpuMachine(wanted.gpu, machineType);
  return { machine: bareMachine(machineType ?? DEFAULT_MACHINES.cpu) };
}

// A machine with built-in GPUs must be asked for together with them.
function bareMachine(machineType: string): VertexMachine {
  const builtIn = GPU_MACHINES.find(([name]) => name === machineType);
  if (builtIn !== undefined) return withGpus(machineType, builtIn[1], builtIn[2]);
  for (const sizes of Object.values(TPU_MACHINES)) {
    const tpu = Object.values(sizes).find(([name]) => name === machineType);
    if (tpu !== undefined) return { machineType, tpuTopology: tpu[1] };
  }
  return { machineType };
}

function gpuMachine(text: string, machineType: string | null): MachineChoice {
  const spec = parseSpec(text);
  if (spec === undefined) return unreadable('GPU', text, '2xV100');
  const { count, type } = spec;
  if (!isGpu(type)) return unknownType('GPU', text, Object.keys(VERTEX_GPUS));
  const retired = RETIRED_GPUS[type];
  if (retired !== undefined) {
    return {
      problem: `Google gives no ${type} any more, since ${retired}.`,
      hint: 'Take another GPU, for example --gpu_spec 1xT4 or 1xL4.',
    };
  }
  if (machineType !== null) return { machine: withGpus(machineType, count, type) };
  if (ATTACHED_GPUS[type]?.includes(count) === true) {
    return { machine: withGpus(DEFAULT_MACHINES.gpu, count, type) };
  }
  const builtIn = GPU_MACHINES.find(([, number, gpu]) => number === count && gpu === type);
  if (builtIn !== undefined) return { machine: withGpus(builtIn[0], count, type) };
  return wrongCount(text, gpuCounts(type));
}

function tpuMachine(text: string, wanted: WantedHardware): MachineChoice {
  const spec = parseSpec(text);
  if (spec === undefined) return unreadable('TPU', text, '8xV3');
  if (wanted.gpu !== null) {
    return {
      problem: `A job has either a TPU (${text}) or GPUs (${wanted.gpu}) on Vertex AI.`,
      hint: 'Leave out --tpu_spec or --gpu_spec.',
    };
  }
  const { count, type } = spec;
  if (isCloudTpu(type)) {
    if (count !== 8 && (count < 32 || count % 32 !== 0)) return wrongCount(text, [8]);
    const acceleratorType = CLOUD_TPUS[type];
    return { machine: { machineType: 'cloud-tpu', acceleratorType, acceleratorCount: count } };
  }
  const sizes = Object.hasOwn(TPU_MACHINES, type) ? TPU_MACHINES[type] : undefined;
  if (sizes === undefined) {
    return unknownType('TPU', text, [...Object.keys(CLOUD_TPUS), ...Object.keys(TPU_MACHINES)]);
  }
  const made = sizes[count];
  if (made === undefined) return wrongCount(text, Object.keys(sizes).map(Number));
  return { machine: { machineType: made[0], tpuTopology: made[1] } };
}

function withGpus(machineType: string, acceleratorCount: number, gpu: VertexGpu): VertexMachine {
  return { machineType, acceleratorType: VERTEX_GPUS[gpu], acceleratorCount };
}

function isGpu(type: string): type is VertexGpu {
  return Object.hasOwn(VERTEX_GPUS, type);
}

function isCloudTpu(type: string): type is keyof typeof CLOUD_TPUS {
  return Object.hasOwn(CLOUD_TPUS, type);
}

// The count is an int32 there; no machine has a number of accelerators of more digits.
function parseSpec(text: string): { readonly count: number; readonly type: string } | undefined {
  const [, count, type] =
    /^\s*\+?0*([1-9]\d{0,4})\s*x\s*([A-Za-z0-9_-]{1,30})\s*$/.exec(text) ?? [];
  if (count === undefined || type === undefined) return undefined;
  return { count: Number(count), type: type.toUpperCase().replaceAll('-', '_') };
}

function gpuCounts(type: VertexGpu): number[] {
  const builtIn = GPU_MACHINES.filter(([, , gpu]) => gpu === type).map(([, count]) => count);
  return [...new Set([...(ATTACHED_GPUS[type] ?? []), ...builtIn])].toSorted((a, b) => a - b);
}

function unreadable(what: string, text: string, example: string): MachineChoice {
  return {
    problem: `${JSON.stringify(text.slice(0, 80))} is no ${what} specification.`,
    hint: `Write it as COUNTxTYPE, for example ${example}. See ${PAGE}`,
  };
}

function unknownType(what: string, text: string, known: readonly string[]): MachineChoice {
  return {
    problem: `Vertex AI has no ${what} of the type in ${JSON.stringify(text)}.`,
    hint: `It has ${known.join(', ')}. See ${PAGE}`,
  };
}

function wrongCount(text: string, counts: readonly number[]): MachineChoice {
  return {
    problem: `No machine of Vertex AI has ${text}.`,
    hint: `Possible numbers: ${counts.join(', ')}. See ${PAGE}`,
  };
}
