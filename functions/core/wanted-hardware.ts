import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { vertexMachine } from '../../shared/hardware/vertex-machine.ts';
import type { HardwareSpec } from '../ports/documents.ts';
import type { LaneSetting } from './deps.ts';

/** What jobs for GPUs get when nothing is said; the original's default, a P100, is no longer to be had. */
const DEFAULT_GPU = '1xT4';

/**
 * The hardware of a request's jobs, with what the platform gives when nothing is said. Throws AppError PLATFORM_UNSUPPORTED for hardware that
 * the platform can never give.
 */
export function wantedHardware(
  lane: Pick<LaneSetting, 'platform'>,
  { mode, hardware }: Pick<SubmissionSpec, 'mode' | 'hardware'>,
): HardwareSpec {
  if (lane.platform !== 'vertex') return hardware;
  const isOpen = hardware.gpu === null && hardware.tpu === null && hardware.machineType === null;
  const wanted = mode === 'gpu' && isOpen ? { ...hardware, gpu: DEFAULT_GPU } : hardware;
  const choice = vertexMachine(wanted);
  if ('machine' in choice) return wanted;
  throw new AppError('PLATFORM_UNSUPPORTED', choice.problem, { hint: choice.hint });
}
