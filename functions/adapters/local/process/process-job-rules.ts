import { isAppError } from '../../../../shared/errors/app-error.ts';
import { type PlatformJob, PlatformRefusal } from '../../../ports/platform.ts';
import { parseRef, refOf } from './attempt-files.ts';
import { isPythonCommand } from './attempt-launch.ts';

// Linux refuses a longer single argument (MAX_ARG_STRLEN, execve(2)), the final NUL included.
const MAX_WORD_BYTES = 131_071;

/** The refusal of a create request that came after its `createBy`. */
export function tooLate(job: PlatformJob, now: number): PlatformRefusal {
  const message = `The create request is ${now - job.createBy} ms too late; nothing was made.`;
  return new PlatformRefusal('quota', message, { retryAfterMs: 0 });
}

/** Refuses a job whose id or attempt could not name a directory. */
export function refuseUnnameable(job: PlatformJob): void {
  if (parseRef(refOf(job)) !== null) return;
  throw new PlatformRefusal('permanent', `No directory can be named after job ${refOf(job)}.`);
}

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

function refuseWords(words: readonly string[]): void {
  for (const word of words) {
    const shown = JSON.stringify(word.slice(0, 60));
    if (word.includes('\0')) {
      throw new PlatformRefusal('permanent', `The argument ${shown} holds a NUL character.`, {
        hint: 'No program can be given one; remove it from the config.',
      });
    }
    const bytes = Buffer.byteLength(word);
    if (bytes > MAX_WORD_BYTES) {
      const message = `The argument ${shown}… has ${bytes} bytes; the limit is ${MAX_WORD_BYTES}.`;
      throw new PlatformRefusal('permanent', message, { hint: 'Pass it in a file.' });
    }
  }
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
