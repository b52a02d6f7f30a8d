import * as z from 'zod';
import { isAppError } from '../../../../../shared/errors/app-error.ts';
import { type BaseImages, chooseBase } from '../../../../../shared/image/base-choice.ts';
import type { ResolveBase } from '../images/base-image.ts';
import type { FindDockerCli } from './docker-cli.ts';
import type { Engine } from './engine.ts';
import { askForUser, EngineRefusal } from './engine-call.ts';

/** Whether jobs can run in containers here; a reason is one sentence for users. */
export type DockerProbe =
  | { readonly usable: true; readonly apiVersion: string }
  | { readonly usable: false; readonly reason: string };

const ANSWER_TIMEOUT_MS = 3_000;
/** Docker 20.10: the first whose builder knows cache and secret mounts by itself. */
const OLDEST_API = [1, 41] as const;

/**
 * Finds out whether Docker is usable: the engine answers and is new enough, a `docker` can build, and the base image of
 * either mode is here or known to its registry. Without Docker it says so at once; at most about 25 s and the tiny build.
 */
export async function probeDocker(options: {
  readonly engine: Engine;
  readonly findCli: FindDockerCli;
  readonly resolveBase: ResolveBase;
  readonly baseImages: BaseImages | null;
  /** How long the engine may take to answer. Default 3 s. */
  readonly answerMs?: number;
}): Promise<DockerProbe> {
  const { answerMs = ANSWER_TIMEOUT_MS } = options;
  try {
    const answer = await askForUser({ ms: answerMs }, () => options.engine.version());
    const version = versionSchema.safeParse(answer);
    if (!version.success) {
      return unusable('What answers at the address of the Docker engine is none.');
    }
    const { ApiVersion: apiVersion, Version: release } = version.data;
    if (!isRecent(apiVersion)) {
      return unusable(`The Docker engine is too old: ${release}, and 20.10 or newer is needed.`);
    }
    await options.findCli();
    await anyBase(options.resolveBase, options.baseImages);
    return { usable: true, apiVersion };
  } catch (error) {
    if (isAppError(error)) return unusable(error.message);
    if (!(error instanceof EngineRefusal)) throw error;
    return unusable(`The Docker engine answers with an error: ${error.message}.`);
  }
}

const versionSchema = z.object({ ApiVersion: z.string(), Version: z.string() });

function unusable(reason: string): DockerProbe {
  return { usable: false, reason };
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST_API[0] || (major === OLDEST_API[0] && minor >= OLDEST_API[1]);
}

// A machine without GPU need not have the image for it, and the other way round.
async function anyBase(resolveBase: ResolveBase, images: BaseImages | null): Promise<void> {
  const modes = ['cpu', 'gpu'] as const;
  const wishes = modes.map((mode) => chooseBase({ mode, base: null, python: null }, images));
  const references = [...new Set(wishes.map(({ reference }) => reference))];
  const found = await Promise.allSettled(references.map(resolveBase));
  const [first] = found;
  if (first?.status === 'rejected' && found.every(({ status }) => status === 'rejected')) {
    throw first.reason;
  }
}
