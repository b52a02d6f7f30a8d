import { type PlatformJob, PlatformRefusal } from '../../../ports/platform.ts';
import { parseRef, refOf } from './attempt-files.ts';

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

/** Refuses words that no program of Linux can be given. */
export function refuseWords(words: readonly string[]): void {
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
