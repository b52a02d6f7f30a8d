import { isAppError } from '../../../shared/errors/app-error.ts';
import {
  type ExperimentConfig,
  parseExperimentConfig,
} from '../../../shared/experiments/config-model.ts';
import type { SubmissionDoc } from '../../ports/documents.ts';
import { configText } from '../accept.ts';
import type { CoreDeps } from '../deps.ts';
import { configDigestOf } from '../submission-digest.ts';

/** The config as it was accepted, or what is wrong with the one that is there. */
export type AcceptedConfig =
  | { readonly config: ExperimentConfig }
  | { readonly found: string; readonly expected: string };

/** Reads a submission's config and recounts what can be told of it: its digest, and where there is none the number of its experiments. */
export async function acceptedConfig(
  deps: Pick<CoreDeps, 'store'>,
  { id, count, configDigest }: SubmissionDoc,
): Promise<AcceptedConfig> {
  const text = await configText(deps, id);
  if (configDigest !== undefined && configDigestOf(text) !== configDigest) {
    return { found: 'its config is another text', expected: `the one with digest ${configDigest}` };
  }
  const config = parsed(text);
  const found = config === null ? 'no experiments' : `${config.count} experiments`;
  if (config === null || config.count !== BigInt(count)) {
    return { found: `its config stands for ${found}`, expected: `${count}` };
  }
  return { config };
}

function parsed(text: string): ExperimentConfig | null {
  try {
    return parseExperimentConfig(text);
  } catch (error) {
    if (isAppError(error)) return null;
    throw error;
  }
}
