import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBuildkitExecutor } from '../test/doubles/cloud-build/buildkit-executor.ts';
import { startLocalCloud } from '../test/doubles/local-cloud/local-cloud.ts';
import { dockerExecutor } from '../test/doubles/vertex/docker-executor.ts';
import { hasPart, toolsDirectory } from '../test/fixtures/require.ts';
import { buildCli } from './build-cli.ts';
import { buildFunctions } from './build-functions.ts';
import { root } from './run.ts';

/**
 * The hosted service on this machine, for development: `npm run dev:hosted`. Google's emulators, the doubles, and the functions as they
 * are deployed. Where there is a Docker engine jobs really run, and with the tools of `test/tools/go-tools.sh` images are really built;
 * what is missing is said, and pretended. Ctrl-C ends all of it.
 */
const { values } = parseArgs({
  options: {
    /** PEM file that builds and jobs trust. */
    ca_bundle: { type: 'string' },
    /** Base image of dependency images. */
    base_image: { type: 'string' },
    /** Seconds between two ticks; in the cloud it is a minute. */
    tick: { type: 'string', default: '5' },
    /** Folder of logs; default: one that is removed in the end. */
    dir: { type: 'string' },
  },
});

const ending = new Promise<string>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
});
console.log('Building ...');
await buildCli();
await buildFunctions();
const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'caliban-hosted-')));
const isDocker = hasPart('docker');
const isBuilding = isDocker && hasPart('tools');
console.log('Starting emulators, doubles and functions ...');
const cloud = await startLocalCloud({
  dir,
  folder: join(root, 'dist', 'hosted'),
  tickMs: Number(values.tick) * 1_000,
  ...(isDocker ? { jobs: dockerExecutor() } : {}),
  ...(isBuilding
    ? {
        builds: (registry: string) =>
          startBuildkitExecutor({ tools: toolsDirectory(), plainRegistries: [registry] }),
      }
    : {}),
  settings: (defaults) => ({
    ...defaults,
    images: {
      ...defaults.images,
      ...(values.base_image === undefined ? {} : { baseImage: values.base_image }),
      ...(values.ca_bundle === undefined ? {} : { caBundle: values.ca_bundle }),
    },
  }),
});
console.log(`
The hosted service runs at ${cloud.endpoint}; its logs are in ${dir}.
Registry: ${cloud.registry}. Jobs ${isDocker ? 'run in Docker' : 'are pretended'}; images ${isBuilding ? 'are built by BuildKit' : 'are pretended'}.

Point the CLI at it:
  export CALIBAN_ENDPOINT=${cloud.endpoint} CALIBAN_TOKEN=${cloud.token}

Ctrl-C ends it.`);
const signal = await ending;
console.log(`\n${signal}: ending ...`);
await cloud.close();
if (values.dir === undefined) await rm(dir, { recursive: true, force: true });
console.log('Ended.');
