import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../functions/runtime/system.ts';
import { startBuildkitExecutor } from '../test/doubles/cloud-build/buildkit-executor.ts';
import { baseIn, pushBase } from '../test/doubles/local-cloud/base-image.ts';
import {
  type LocalCloud,
  type LocalCloudOptions,
  startLocalCloud,
} from '../test/doubles/local-cloud/local-cloud.ts';
import {
  pretendedBuilds,
  pretendedJobs,
  pushPretendedBase,
} from '../test/doubles/local-cloud/pretended.ts';
import { dockerExecutor } from '../test/doubles/vertex/docker-executor.ts';
import { TEST_BASE_IMAGE, toolsDirectory } from '../test/fixtures/require.ts';
import { buildCli } from './build-cli.ts';
import { buildFunctions } from './build-functions.ts';
import { type HostedOptions, readHostedOptions, USAGE } from './hosted-options.ts';
import { missingParts, whyPretended } from './hosted-parts.ts';
import { root } from './run.ts';

/**
 * The hosted service on this machine, for development: `npm run dev:hosted`. Google's emulators, the doubles, and the functions as they
 * are deployed. Where images can be built they are, and jobs run in Docker; elsewhere builds and jobs are pretended. Ctrl-C ends all of it.
 */
async function main(options: HostedOptions): Promise<number> {
  const missing = missingParts();
  if (missing.length > 0) return failed(missing.join('\n'));
  const reason = options.isPretending
    ? '--pretend'
    : whyPretended(options.baseImage ?? TEST_BASE_IMAGE);
  if (reason !== null && options.baseImage !== undefined) {
    return failed(`--base_image ${options.baseImage} cannot be used: ${reason}.`);
  }
  const signal = nextSignal();
  console.log('Building ...');
  await buildCli();
  await buildFunctions();
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'caliban-hosted-')));
  const remove = async () => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    console.log('Starting emulators, doubles and functions ...');
    const cloud = await start(dir, { options, reason });
    const status = await serve(cloud, { dir, reason, signal });
    // The log of a function that ended by itself is worth reading.
    if (status === 0) await remove();
    return status;
  } catch (error) {
    await remove();
    return failed(`It failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function start(
  dir: string,
  { options, reason }: { readonly options: HostedOptions; readonly reason: string | null },
): Promise<LocalCloud> {
  const { caBundle, tickMs, baseImage = TEST_BASE_IMAGE } = options;
  const cloud = await startLocalCloud({
    ...{ dir, tickMs, folder: join(root, 'dist', 'hosted') },
    ...(reason === null ? REAL : PRETENDED),
    settings: (defaults) => ({
      ...defaults,
      images: {
        ...defaults.images,
        baseImage: baseIn(defaults.images.repository),
        ...(caBundle === undefined ? {} : { caBundle }),
      },
    }),
  });
  try {
    const base = baseIn(cloud.registry);
    await (reason === null ? pushBase(baseImage, base) : pushPretendedBase(base));
    return cloud;
  } catch (error) {
    await cloud.close();
    throw error;
  }
}

type Executors = Pick<LocalCloudOptions, 'jobs' | 'builds'>;

const REAL: Executors = {
  jobs: dockerExecutor(),
  builds: (registry) =>
    startBuildkitExecutor({ tools: toolsDirectory(), plainRegistries: [registry] }),
};

const PRETENDED: Executors = {
  jobs: pretendedJobs(),
  builds: async (_registry, repository) => pretendedBuilds(systemClock, repository),
};

/** Serves until a signal, or until a function is lost; the status to end with. */
async function serve(
  cloud: LocalCloud,
  of: { readonly dir: string; readonly reason: string | null; readonly signal: Promise<string> },
): Promise<number> {
  const how =
    of.reason === null
      ? 'Images are built by BuildKit; jobs run in Docker.'
      : `Builds and jobs are pretended: ${of.reason}.`;
  console.log(`
The hosted service runs at ${cloud.endpoint}; its logs are in ${of.dir}.
Registry: ${cloud.registry}. ${how}

Point the CLI at it:
  export CALIBAN_ENDPOINT=${cloud.endpoint} CALIBAN_TOKEN=${cloud.token}

Ctrl-C ends it.`);
  const end = await Promise.race([of.signal, cloud.lost]);
  if (typeof end === 'string') console.log(`\n${end}: ending ...`);
  else console.error(`The function ${end.name} ended by itself; its log is ${end.log}. Ending ...`);
  await cloud.close();
  console.log('Ended.');
  return typeof end === 'string' ? 0 : 1;
}

function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => resolve(signal));
  });
}

function failed(message: string): number {
  console.error(message);
  return 1;
}

function optionsOf(args: readonly string[]): HostedOptions {
  try {
    return readHostedOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}

const options = optionsOf(process.argv.slice(2));
if (options.isHelp) console.log(USAGE);
else process.exitCode = await main(options);
