import { AppError } from '../../../shared/errors/app-error.ts';
import { PlatformRefusal } from '../../ports/platform.ts';
import { GRPC, grpcCodeOf, unavailable, wordsOf } from './google-errors.ts';

/** A minute's quota of requests fills up all the time: a quarter of it gives about fifteen creates. */
const RATE_RETRY_MS = 15_000;
/** Machines come free when somebody's jobs end, which takes minutes. */
const HARDWARE_RETRY_MS = 5 * 60_000;
const SIGN_IN_RETRY_MS = 30_000;
/** A role spreads, or an agent is made, within minutes; what a person has to mend takes longer than a few tries. */
const SETUP_RETRY_MS = 5 * 60_000;
/** How grpc-js says that it could get no token; a call is sent only with one. */
const SIGN_IN = /^Getting metadata from plugin failed/;

const MACHINE_HINT =
  'Check machine type, GPU and region: https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/training/configure-compute';

const REQUEST_HINT =
  'Check the projects and regions that this service is set up with; if they are right, please report it as a fault of caliban.';

/**
 * What a failed create means when Google said that it made nothing, or null when the outcome is unknown: a lost connection, a deadline,
 * a fault inside Google. Only what is the job's own fault is permanent: how the service is set up is the same for all that wait.
 */
export function refusalOf(error: unknown): PlatformRefusal | null {
  const words = wordsOf(error);
  if (SIGN_IN.test(words)) return notSignedIn(words);
  const code = grpcCodeOf(error);
  if (code === GRPC.resourceExhausted) return exhausted(error, words);
  if (code === GRPC.invalidArgument) return permanent(words, MACHINE_HINT);
  const hint = setupHint(code, words);
  return hint === null ? null : blocked(words, hint);
}

/** The AppError UNAVAILABLE of any other call that failed: it tells a refusal, which lasts, from no answer. */
export function callFailed(error: unknown): AppError {
  const code = grpcCodeOf(error);
  const words = wordsOf(error);
  const hint = code === GRPC.invalidArgument ? REQUEST_HINT : setupHint(code, words);
  if (hint === null || SIGN_IN.test(words)) return unavailable('Vertex AI', error);
  const message = `Vertex AI refuses this service: ${sentence(words)}`;
  return new AppError('UNAVAILABLE', message, { hint, cause: error });
}

/** The name of the quota that an answer speaks of, as Google writes it, or null. */
export function quotaNamed(text: string): string | null {
  const [found] =
    /custom_model_training_[a-z0-9_]+|CustomModelTraining\w+|job_or_lro_submission_requests\w*/.exec(
      text,
    ) ?? [];
  return found ?? /quota metric '([^']{1,200})'/i.exec(text)?.[1] ?? null;
}

function exhausted(error: unknown, words: string): PlatformRefusal {
  // What gRPC itself says of a request that is too big; waiting makes it no smaller.
  if (/message larger than max/i.test(words)) {
    return permanent(words, 'The arguments of this job are too long; put them in a file.');
  }
  const metric = metricOf(error) ?? quotaNamed(words);
  const named = metric === null || words.includes(metric) ? words : `${words} (${metric})`;
  const isRate = /_requests|per minute|submission requests|rate limit/i.test(`${metric} ${words}`);
  const isHardware = /custom_?model_?training/i.test(`${metric} ${words}`);
  const retryAfterMs = isRate && !isHardware ? RATE_RETRY_MS : HARDWARE_RETRY_MS;
  return new PlatformRefusal('quota', `Vertex AI: ${named}`, { retryAfterMs });
}

// google.rpc.ErrorInfo, as the generated clients hand it on.
function metricOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('errorInfoMetadata' in error)) return null;
  const info = error.errorInfoMetadata;
  if (typeof info !== 'object' || info === null || !('quota_metric' in info)) return null;
  return typeof info.quota_metric === 'string' ? info.quota_metric : null;
}

/** The refusal of a create for which this service could not sign in: nothing was sent, and it passes. */
export function notSignedIn(words: string): PlatformRefusal {
  const message = `The service cannot sign in to Google at the moment: ${words}`;
  return new PlatformRefusal('quota', message, { retryAfterMs: SIGN_IN_RETRY_MS });
}

/** What to look at when Google refuses a call for how the service is set up; null for any other code. */
export function setupHint(code: number | undefined, words: string): string | null {
  switch (code) {
    case GRPC.unauthenticated:
      return 'The service cannot sign in to Google: check its service account.';
    case GRPC.permissionDenied:
      return deniedHint(words);
    case GRPC.notFound:
      return 'Check that the project, the region, the network and the service account of this service exist.';
    case GRPC.failedPrecondition:
      return 'Check what the service is set up with: the API is enabled, the network is peered, the service account is not disabled.';
    default:
      return null;
  }
}

function deniedHint(words: string): string {
  if (/act ?as|serviceAccountUser/i.test(words)) {
    return 'Give the account of this service the role roles/iam.serviceAccountUser on the service account that jobs run as.';
  }
  if (/has not been used|is disabled/i.test(words)) {
    return 'Enable the API: gcloud services enable aiplatform.googleapis.com';
  }
  return 'Give the account of this service the role roles/aiplatform.user in the project of the jobs.';
}

function permanent(words: string, hint: string): PlatformRefusal {
  return new PlatformRefusal('permanent', `Vertex AI refuses the job: ${sentence(words)}`, {
    hint,
  });
}

function blocked(words: string, hint: string): PlatformRefusal {
  const message = `Vertex AI takes no jobs of this service for now: ${sentence(words)}`;
  return new PlatformRefusal('quota', message, { retryAfterMs: SETUP_RETRY_MS, hint });
}

// A hint comes behind it.
function sentence(words: string): string {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
