import { readFileSync } from 'node:fs';

/** How a machine type goes with accelerators. */
export interface MachineType {
  readonly mode: 'none' | 'optional' | 'fixed-gpu' | 'fixed-tpu' | 'required';
  /** Counts that may be attached, by type. */
  readonly accelerators?: Readonly<Record<string, readonly number[]>>;
  readonly topologies?: readonly string[];
}

/** Machine types and regions of custom training; the double's own table. */
export const HARDWARE: {
  readonly machineTypes: Readonly<Record<string, MachineType>>;
  readonly regions: readonly string[];
} = JSON.parse(readFileSync(new URL('hardware.json', import.meta.url), 'utf8'));

/** Whether a machine type is one of TPUs: one worker pool of one replica. */
export function isTpu({ mode }: MachineType): boolean {
  return mode === 'fixed-tpu' || mode === 'required';
}
