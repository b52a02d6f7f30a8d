import { type Cause, exitCause } from '../../../shared/jobs/cause.ts';
import { GRPC } from './google-errors.ts';
import { quotaNamed } from './vertex-refusals.ts';

/** What Vertex AI says of a job that did not succeed. */
export interface JobTrouble {
  /** A code of google.rpc.Code, 0 when there is none. */
  readonly code: number;
  readonly message: string;
}

/** How a job ended that did not succeed, and why. */
export interface Ending {
  readonly exitCode: number | null;
  readonly cause: Cause;
}

/** A history is short; what the program printed is in the log. */
const LONGEST = 1_000;

/**
 * The words of Vertex AI about an end, seen in public reports (read 2026-11): "The replica workerpool0-0 exited with a non-zero status
 * of 1. Termination reason: Error. …" and "The replica workerpool0-0 ran out-of-memory and exited with a non-zero status of 137(SIGKILL).
 * …". Only the head is read: behind it comes what the program printed.
 */
const EXIT = /^[^\n]{0,200}?non-zero status of (\d{1,3})\b/;
const OUT_OF_MEMORY = /^The replica \S{1,100} ran out-of-memory|Termination reason: OOMKilled/;

/** The words of a cancelled job say no more than its state, as a rule. */
const BARE_CANCEL = /^\s*cancell?ed\.?\s*$/i;

const KNOWN: readonly (readonly [RegExp, (words: string) => Cause])[] = [
  [/preempt/i, (words) => ({ code: 'preempted', message: `The machine was taken away: ${words}` })],
  [
    /stockout|resource_pool_exhausted|(?:resources|capacity) (?:are|is) insufficient|insufficient (?:resources|capacity)/i,
    (words) =>
      platform(
        `No machine was free: ${words} Try again later, in another region, or with another accelerator.`,
      ),
  ],
  [
    /quota|custom_model_training/i,
    (words) =>
      platform(
        `The quota ${quotaNamed(words) ?? 'of the project'} does not suffice: ${words} Ask for more in the console, or run fewer jobs at once.`,
      ),
  ],
  [
    /image.{0,300}(?:denied|permission|unauthorized|not found|pull)|(?:denied|permission|pull).{0,300}image/is,
    (words) =>
      platform(
        `The image cannot be fetched: ${words} The service account of the jobs, and Vertex AI's service agent, need roles/artifactregistry.reader on its repository.`,
      ),
  ],
];

/** Exit status and cause of a failed job, from what Vertex AI says of it. */
export function failure({ code, message }: JobTrouble): Ending {
  const words = cut(message);
  const status = EXIT.exec(message)?.[1];
  const exitCode = status === undefined ? null : Number(status);
  if (OUT_OF_MEMORY.test(head(message))) {
    const told = `Ran out of memory. Ask for a machine with more of it (--machine_type). ${words}`;
    return { exitCode: exitCode ?? 137, cause: { code: 'out-of-memory', message: told } };
  }
  if (exitCode !== null && exitCode !== 0) return { exitCode, cause: exitCause(exitCode) };
  const known = KNOWN.find(([pattern]) => pattern.test(words))?.[1];
  if (known !== undefined) return { exitCode: null, cause: known(words) };
  if (code === GRPC.resourceExhausted) {
    return { exitCode: null, cause: platform(`Quota or machines did not suffice: ${words}`) };
  }
  const said = words === '' ? 'Failed, and Vertex AI does not say why.' : `Vertex AI: ${words}`;
  return { exitCode: null, cause: platform(said) };
}

/**
 * The cause of a cancelled job. `limitMs`: how long it might run, when it ran as long as that. By whom it was cancelled is not told:
 * through this service, or in Google's console.
 */
export function cancellation(message: string, limitMs: number | null): Cause {
  if (limitMs === null) {
    const words = BARE_CANCEL.test(message) ? '' : cut(message);
    return { code: 'stop-requested', message: `Cancelled on Vertex AI. ${words}`.trim() };
  }
  const hours = Math.round(limitMs / 36_000) / 100;
  return platform(`Ended by Vertex AI at its time limit of ${hours} h. ${cut(message)}`.trim());
}

/** A cause in the words of Vertex AI. */
export function platform(message: string): Cause {
  return { code: 'platform', message };
}

function head(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}

function cut(message: string): string {
  const whole = message.trim().replaceAll(/\s+/g, ' ').toWellFormed();
  if (whole.length <= LONGEST) return /[.!?]$/.test(whole) || whole === '' ? whole : `${whole}.`;
  return `${whole.slice(0, LONGEST).toWellFormed()}…`;
}
