import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BUILD_CONTEXT } from '../../../../../shared/image/dependency-dockerfile.ts';
import type { ImageBuilder } from '../../../../ports/image-builder.ts';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import { explainImageBuildLog } from '../../../images/build-explanation.ts';
import { type BuildFailure, changedSincePlanned } from '../../../images/build-failure.ts';
import {
  buildLogPath,
  buildLogTail,
  makeBuildsDirectory,
  withBuildLog,
} from '../../builds/build-log.ts';
import { type BuildTask, createBuildTable } from '../../builds/build-table.ts';
import type { DockerCli, FindDockerCli } from '../engine/docker-cli.ts';
import type { Engine } from '../engine/engine.ts';
import { fetchBase, localImage } from './base-image.ts';
import { type ImageSources, type WantedImage, wantedImage } from './image-plan.ts';

/** What the builder of dependency images needs. */
export interface DockerBuilderOptions extends ImageSources {
  readonly findCli: FindDockerCli;
  /** For build logs, which stay, and build contexts, which do not. Nothing else may be in it. */
  readonly dir: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Network of builds; null: the engine's usual one. `host` reaches an index on this machine's loopback. */
  readonly network: 'host' | null;
  /** Of one build. Default one hour. */
  readonly timeoutMs?: number;
}

/** Makes dependency images. */
export interface DockerBuilder extends ImageBuilder {
  /** Ends running builds. */
  close(): Promise<void>;
}

const CONCURRENCY = 2;
const CONTEXT = '.context';
const KIND = 'dev.caliban.kind';
const KEY = 'dev.caliban.key';
const INDEX_VARIABLE = 'CALIBAN_INDEX_URL';

/**
 * A builder of dependency images in a Docker engine: the image of a key is there when its tag is, with the labels. Builds end
 * with the service; one that was lost is `absent`. At most two run at a time.
 */
export function createDockerBuilder(options: DockerBuilderOptions): DockerBuilder {
  const isReady = (key: string) => isBuilt(options.engine, key);
  let swept: Promise<void> | undefined;
  const table = createBuildTable({
    ...options,
    concurrency: CONCURRENCY,
    isReady,
    build: async (task) => {
      swept ??= removeContexts(options.dir);
      await swept.catch((error: unknown) => {
        swept = undefined;
        throw error;
      });
      return buildImage(options, task);
    },
    discard: async () => undefined,
  });
  return {
    ...table,
    plan: async (dependencies) => {
      const { key } = await wantedImage(dependencies, options);
      return { key, ready: await isReady(key), image: imageOf(key) };
    },
  };
}

function imageOf(key: string): string {
  return `caliban/deps:${key}`;
}

async function isBuilt(engine: Engine, key: string): Promise<boolean> {
  const found = await localImage(engine, imageOf(key));
  const labels = found?.Config.Labels;
  return labels?.[KIND] === 'dependencies' && labels[KEY] === key;
}

async function buildImage(
  options: DockerBuilderOptions,
  task: BuildTask,
): Promise<BuildFailure | null> {
  const { engine, dir } = options;
  const { key, signal } = task;
  const wanted = await wantedImage(task.dependencies, options);
  if (wanted.key !== key) return changedSincePlanned('The base image or a setting of the service');
  const cli = await options.findCli();
  const context = join(dir, `${key}${CONTEXT}`);
  const path = buildLogPath(dir, key);
  const { env } = cli;
  try {
    await writeContext(context, wanted);
    const isDone = await withBuildLog({ path, cwd: dir, env, signal }, async (shell) => {
      const from = { engine, docker: cli.program };
      if (!(await fetchBase(from, wanted.base, shell))) return false;
      return shell.succeeds(buildCommand(options, cli, { key, context }), secretsOf(options));
    });
    // Asked also when it failed: an engine that went away meanwhile says so, and then nobody's build failed.
    if ((await isBuilt(engine, key)) && isDone) return null;
  } finally {
    await rm(context, { recursive: true, force: true });
  }
  return explainImageBuildLog(await buildLogTail(path), wanted.base.reference);
}

// For the build alone: a pull needs none.
function secretsOf({ settings: { indexUrl } }: DockerBuilderOptions): Record<string, string> {
  return indexUrl === null ? {} : { [INDEX_VARIABLE]: indexUrl };
}

// A service that was killed leaves those of its builds.
async function removeContexts(dir: string): Promise<void> {
  await makeBuildsDirectory(dir);
  const left = (await readdir(dir)).filter((name) => name.endsWith(CONTEXT));
  for (const name of left) await rm(join(dir, name), { recursive: true, force: true });
}

function buildCommand(
  { settings, network }: DockerBuilderOptions,
  { program }: DockerCli,
  { key, context }: { readonly key: string; readonly context: string },
): readonly string[] {
  const secret = `id=${BUILD_CONTEXT.indexSecret},env=${INDEX_VARIABLE}`;
  return [
    program,
    'build',
    '--progress=plain',
    ...['--tag', imageOf(key)],
    ...['--label', `${KIND}=dependencies`, '--label', `${KEY}=${key}`],
    ...(settings.indexUrl === null ? [] : ['--secret', secret]),
    ...(network === null ? [] : ['--network', network]),
    context,
  ];
}

// Modes are set, whatever the umask: jobs of any user read what is copied, and they are part of what BuildKit remembers.
async function writeContext(context: string, wanted: WantedImage): Promise<void> {
  await rm(context, { recursive: true, force: true });
  await mkdir(context, { mode: 0o700 });
  const files = [['Dockerfile', wanted.dockerfile] as const, ...wanted.files];
  for (const [name, content] of files) {
    const path = join(context, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    await chmod(path, 0o644);
  }
}
