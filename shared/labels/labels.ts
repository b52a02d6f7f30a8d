import { AppError } from '../errors/app-error.ts';

/** A label as a user or the program wrote it, not yet cleaned. */
export type LabelPair = readonly [key: string, value: string];

/** Cleaned labels, fit for a platform. */
export type Labels = Readonly<Record<string, string>>;

/** What names a job to its platform; the weakest labels. */
export interface BuiltInLabels {
  readonly gpu: boolean;
  readonly tpu: boolean;
  readonly jobName: string;
  /** Tag or digest of the run image, as text. */
  readonly image: string;
}

/** Characters of a label key or value on every platform we submit to. */
export const MAX_LABEL_LENGTH = 63;

/** A key matching `^[a-z][a-z0-9_-]{0,62}$`, or empty when nothing of the text can stay. */
export function sanitizeLabelKey(text: string): string {
  const cleaned = clean(text);
  const key = cleaned === '' || /^[a-z]/.test(cleaned) ? cleaned : `k${cleaned}`;
  return key.slice(0, MAX_LABEL_LENGTH);
}

/** A value matching `^[a-z0-9_-]{0,63}$`. */
export function sanitizeLabelValue(text: string): string {
  return clean(text).slice(0, MAX_LABEL_LENGTH);
}

/** Cleaned pairs; a key that becomes empty drops its pair, a later pair beats an earlier one. */
export function sanitizeLabels(pairs: readonly LabelPair[]): Labels {
  const labels = new Map<string, string>();
  for (const [key, value] of pairs) {
    const cleanKey = sanitizeLabelKey(key);
    if (cleanKey !== '') labels.set(cleanKey, sanitizeLabelValue(value));
  }
  return Object.fromEntries(labels);
}

/**
 * Cleaned labels from a program's arguments. A word that starts with `-` is a key and the next word its
 * value, unless that starts with `-` too (so `-5` counts as a key). Other words are ignored.
 */
export function labelsFromArgs(args: readonly string[]): Labels {
  return sanitizeLabels(pairsFromArgs(args));
}

/** The labels of one job: built-in ones, beaten by the user's, beaten by those of the job's arguments. */
export function jobLabels(from: {
  readonly builtIn: BuiltInLabels;
  readonly user: readonly LabelPair[];
  readonly args: readonly string[];
}): Labels {
  const { gpu, tpu, jobName, image } = from.builtIn;
  return sanitizeLabels([
    ['gpu_enabled', String(gpu)],
    ['tpu_enabled', String(tpu)],
    ['job_name', jobName],
    ['docker_image', image],
    ...from.user,
    ...pairsFromArgs(from.args),
  ]);
}

/**
 * The pair of one `-l KEY=VALUE`: split at the first `=`, blanks around the key dropped, the value as it is.
 * Throws USAGE without a `=`.
 */
export function parseLabelFlag(text: string): LabelPair {
  const split = text.indexOf('=');
  if (split === -1) {
    throw new AppError('USAGE', `The label ${JSON.stringify(text)} has no "=".`, {
      hint: 'Write a label as KEY=VALUE, for example: -l team=vision',
    });
  }
  return [text.slice(0, split).trim(), text.slice(split + 1)];
}

function pairsFromArgs(args: readonly string[]): LabelPair[] {
  return args.flatMap((word, index): LabelPair[] => {
    if (!word.startsWith('-')) return [];
    const next = args[index + 1] ?? '';
    return [[word, next.startsWith('-') ? '' : next]];
  });
}

/** Lower-casing comes before the filter: a few foreign letters have an ASCII lower case and stay. */
function clean(text: string): string {
  return text
    .replaceAll('.', '_')
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^-+/, '');
}
