import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { type PlannedImage, RUN_LABEL } from '../../../images/run-image.ts';
import type { SentLayer } from '../../../images/sent-layer.ts';

/** A `docker` program, and the environment to run it in. */
export interface DockerProgram {
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}

const BUILD_MS = 30 * 60_000;

/**
 * Makes a run image by a build, for engines that take no image in parts: each layer is one instruction. Not the same id each time, but
 * one tag: who looks that up first makes it once. Throws AppError BUILD_FAILED with the program's words, the reason of `signal`.
 */
export async function buildRunImage(
  docker: DockerProgram,
  image: PlannedImage,
  from: {
    readonly base: string;
    readonly layers: readonly SentLayer[];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'caliban-append-'));
  try {
    for (const { diffId, open } of from.layers) {
      await pipeline(await open(), createWriteStream(join(context, `${diffId}.tar`)));
    }
    const dockerfile = join(context, 'Dockerfile');
    await writeFile(dockerfile, runDockerfile(from.base, image));
    await run(docker, buildArguments(image.tag, dockerfile, context), from.signal);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** The words of the build. All paths and names are our own. */
export function buildArguments(tag: string, dockerfile: string, context: string): string[] {
  return ['build', '--quiet', '--network=none', '--tag', tag, '--file', dockerfile, context];
}

/** The instructions. `base` is a tag of ours, layers are hashes; the entry point is JSON, in which nothing is replaced. */
export function runDockerfile(
  base: string,
  { layers, entrypoint }: Pick<PlannedImage, 'layers' | 'entrypoint'>,
): string {
  const labels = Object.entries(RUN_LABEL).map(([key, value]) => `LABEL ${key}=${value}`);
  return [
    `FROM ${base}`,
    ...layers.map((diffId) => `ADD ${diffId}.tar /`),
    ...labels,
    `ENTRYPOINT ${JSON.stringify(entrypoint)}`,
    '',
  ].join('\n');
}

async function run(
  { program, env }: DockerProgram,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  try {
    await promisify(execFile)(program, args, { env, timeout: BUILD_MS, signal });
  } catch (cause) {
    signal.throwIfAborted();
    const words = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    const said = words === '' ? String(cause) : (words.split('\n').at(-1) ?? words);
    throw new AppError('BUILD_FAILED', `The code could not be laid on its image: ${said}`, {
      hint: 'See whether Docker can build: docker info; docker build.',
      cause,
    });
  }
}
