import { isAppError } from '../../../../shared/errors/app-error.ts';
import { type PlatformJob, PlatformRefusal } from '../../../ports/platform.ts';
import { refuseWords } from '../attempts/job-rules.ts';
import { isPythonCommand } from './attempt-launch.ts';

/** Refuses for good what no process of this machine can be. */
export async function refuseUnrunnable(
  job: PlatformJob,
  interpreter: () => Promise<unknown>,
): Promise<void> {
  if (job.run.kind === 'image') {
    throw new PlatformRefusal('permanent', 'This machine runs programs without containers.', {
      hint: 'Leave the image away, or run caliban serve where Docker is usable.',
    });
  }
  if (job.command.length === 0) throw new PlatformRefusal('permanent', 'The command is empty.');
  refuseWords([...job.command, ...job.args]);
  if (job.run.venvKey === null && isPythonCommand(job)) await refuseWithoutPython(interpreter);
}

async function refuseWithoutPython(interpreter: () => Promise<unknown>): Promise<void> {
  try {
    await interpreter();
  } catch (error) {
    if (!isAppError(error, 'PYTHON_MISSING')) throw error;
    const details = error.hint === undefined ? {} : { hint: error.hint };
    throw new PlatformRefusal('permanent', error.message, details);
  }
}
