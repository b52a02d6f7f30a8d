import { explainImageBuildLog } from '../images/build-explanation.ts';
import type { BuildFailure } from '../images/build-failure.ts';
import type { CloudBuild } from './build-client.ts';
import { buildOutput } from './build-log-text.ts';

/** What the words of a failed build name. */
export interface OutcomeNames {
  readonly repository: string;
  readonly serviceAccount: string | null;
  readonly logsBucket: string;
  readonly timeoutMs: number;
}

/**
 * What a build that has ended, and made nothing, says of it. `log`: the end of its log. Only what may go better with nothing changed is
 * retryable. Kinds: google.devtools.cloudbuild.v1 FailureInfo.FailureType and Build.Status (read 2026-11).
 */
export function buildFailure(build: CloudBuild, log: string, names: OutcomeNames): BuildFailure {
  switch (build.status) {
    case 'SUCCESS':
      return again('The build ended well, but its image is not in the registry.');
    case 'TIMEOUT':
      return tooLong(names);
    case 'CANCELLED':
      return { message: 'The build was cancelled.', hint: null, retryable: true };
    case 'EXPIRED':
      return again('The build waited too long for a machine of Cloud Build.');
    case 'INTERNAL_ERROR':
      return again(`Cloud Build failed within itself: ${wordsOf(build)}`);
    default:
      return failed(build, log, names);
  }
}

function failed(build: CloudBuild, log: string, names: OutcomeNames): BuildFailure {
  const { type } = build.failure;
  const output = buildOutput(log);
  if (type === 'PUSH_NOT_AUTHORIZED' || isPushDenied(output)) return pushDenied(output, names);
  switch (type) {
    case 'USER_BUILD_STEP':
      return stepFailed(build, output);
    case 'PUSH_FAILED':
    case 'PUSH_IMAGE_NOT_FOUND':
      return again(`The image could not be pushed: ${wordsOf(build)}`);
    case 'FETCH_SOURCE_FAILED':
      return sourceMissing(build, names);
    case 'LOGGING_FAILURE':
      return {
        message: `The log of the build could not be written to ${names.logsBucket}: ${wordsOf(build)}`,
        hint: `${accountOf(names)} needs the role roles/storage.objectAdmin on that bucket.`,
        retryable: true,
      };
    default:
      return again(`The build failed: ${wordsOf(build)}`);
  }
}

// With no word of a program in the log, the step was never begun: its image or its secret could not be had.
function stepFailed(build: CloudBuild, output: string): BuildFailure {
  if (output.trim() === '') {
    return {
      message: `The build could not begin: ${wordsOf(build)}`,
      hint: 'Ask who runs the service to check the image of its build step, and the secret of its package index.',
      retryable: false,
    };
  }
  return explainImageBuildLog(output, build.base ?? 'that was asked for', 'cloud');
}

function isPushDenied(output: string): boolean {
  const said = output.split('\n').filter((line) => /failed to push|push access/i.test(line));
  return said.some((line) => /denied|forbidden|unauthorized|\b40[13]\b/i.test(line));
}

function pushDenied(output: string, names: OutcomeNames): BuildFailure {
  const line = output.split('\n').findLast((said) => /denied|forbidden|unauthorized/i.test(said));
  const words = (line ?? '')
    .replace(/^ERROR: /, '')
    .trim()
    .slice(0, SHOWN);
  return {
    message: `The build may not push to ${names.repository}${words === '' ? '.' : `: ${words}`}`,
    hint: `${accountOf(names)} needs the role roles/artifactregistry.writer on that repository.`,
    retryable: false,
  };
}

function sourceMissing(build: CloudBuild, names: OutcomeNames): BuildFailure {
  return {
    message: `The build could not read its context: ${wordsOf(build)}`,
    hint: `${accountOf(names)} needs the role roles/storage.objectViewer on the bucket of contexts.`,
    retryable: true,
  };
}

function tooLong({ timeoutMs }: OutcomeNames): BuildFailure {
  return {
    message: `The build took longer than ${Math.round(timeoutMs / 60_000)} minutes.`,
    hint: 'Ask for less, for packages with wheels, or for a longer time limit of builds.',
    retryable: false,
  };
}

function again(message: string): BuildFailure {
  return { message, hint: 'It is tried again.', retryable: true };
}

function accountOf({ serviceAccount }: OutcomeNames): string {
  return serviceAccount === null
    ? 'The default service account of builds'
    : `The service account ${serviceAccount.split('/').at(-1)}`;
}

function wordsOf({ failure, status }: CloudBuild): string {
  return failure.detail === '' ? `it ended as ${status}.` : failure.detail.slice(0, SHOWN);
}

const SHOWN = 600;
