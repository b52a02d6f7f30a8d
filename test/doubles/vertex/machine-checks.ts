import { enumNames, type Machine, type WorkerPool } from './custom-job.ts';
import { HARDWARE, isTpu, type MachineType } from './hardware.ts';
import { missing, type Violation } from './violation.ts';

const UNSPECIFIED = 'ACCELERATOR_TYPE_UNSPECIFIED';

/** What is wrong with the machine of a worker pool. `at`: path of the pool; `pools`: how many the job has. */
export function machineViolations(pool: WorkerPool, at: string, pools: number): Violation[] {
  const field = `${at}.machine_spec`;
  const machine = pool.machineSpec;
  if (machine === null || machine.machineType === '') return [missing(`${field}.machine_type`)];
  const type = HARDWARE.machineTypes[machine.machineType];
  if (type === undefined) {
    const message = `Machine type "${machine.machineType}" is not supported.`;
    return [{ field: `${field}.machine_type`, message }];
  }
  const about = { machine, type, field };
  return [
    ...acceleratorViolations(about),
    ...topologyViolations(about),
    ...(isTpu(type) ? tpuShapeViolations(pool, at, pools) : []),
  ];
}

interface About {
  readonly machine: Machine;
  readonly type: MachineType;
  readonly field: string;
}

function acceleratorViolations(about: About): Violation[] {
  const { machine, field } = about;
  const { acceleratorType, acceleratorCount: count, machineType } = machine;
  const typeField = `${field}.accelerator_type`;
  const countField = `${field}.accelerator_count`;
  if (typeof acceleratorType === 'number' || !accelerators().includes(acceleratorType)) {
    return [{ field: typeField, message: `Unknown accelerator type: ${acceleratorType}.` }];
  }
  if (acceleratorType === UNSPECIFIED) {
    if (count !== 0) return [{ field: typeField, message: 'Must be set with accelerator_count.' }];
    if (about.type.mode !== 'fixed-gpu' && about.type.mode !== 'required') return [];
    return [{ field: typeField, message: `Machine type "${machineType}" needs an accelerator.` }];
  }
  const counts = about.type.accelerators?.[acceleratorType];
  if (counts === undefined) {
    const message = `Accelerator "${acceleratorType}" is not supported for machine type "${machineType}".`;
    return [{ field: typeField, message }];
  }
  const isPod = about.type.mode === 'required' && count >= 32 && count % 32 === 0;
  if (counts.includes(count) || isPod) return [];
  const message = `Accelerator count ${count} is not supported for "${acceleratorType}" on machine type "${machineType}".`;
  return [{ field: countField, message }];
}

function topologyViolations({ machine, type, field }: About): Violation[] {
  const { tpuTopology, machineType } = machine;
  if (type.mode === 'fixed-tpu' && type.topologies?.includes(tpuTopology) === true) return [];
  if (type.mode !== 'fixed-tpu' && tpuTopology === '') return [];
  const message =
    tpuTopology === ''
      ? 'Required for this machine type.'
      : `TPU topology "${tpuTopology}" is not supported for machine type "${machineType}".`;
  return [{ field: `${field}.tpu_topology`, message }];
}

function tpuShapeViolations(pool: WorkerPool, at: string, pools: number): Violation[] {
  const found: Violation[] = [];
  if (pools > 1) {
    found.push({
      field: 'job_spec.worker_pool_specs',
      message: 'A TPU job must have exactly one worker pool.',
    });
  }
  if (pool.replicaCount !== '1') {
    found.push({ field: `${at}.replica_count`, message: 'Must be 1 for TPU machine types.' });
  }
  return found;
}

function accelerators(): readonly string[] {
  return enumNames('google.cloud.aiplatform.v1.AcceleratorType');
}
