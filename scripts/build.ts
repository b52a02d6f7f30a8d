import { rmSync } from 'node:fs';
import { buildCli } from './build-cli.ts';
import { buildFunctions } from './build-functions.ts';
import { root } from './run.ts';

/** Makes dist/: the CLI with the one-machine service, and the folder that is deployed as Cloud Functions. */
rmSync(`${root}dist`, { recursive: true, force: true });
await buildCli();
await buildFunctions();
