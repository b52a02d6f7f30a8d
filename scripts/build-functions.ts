import { readFileSync, writeFileSync } from 'node:fs';
import { bundle } from './bundle.ts';
import { root } from './run.ts';
import { trimProtos } from './trim-protos.ts';

/** Left out of the bundle, each for a reason. */
const EXTERNAL = {
  // Keeps the registry of functions that its own start script reads: a second copy in the bundle would be another registry.
  '@google-cloud/functions-framework': 'dependency',
} as const;

const OUT = 'dist/hosted';

/** Makes the folder that is deployed as it is: bundles, and a package.json with the runtime and what is not bundled. */
export async function buildFunctions(): Promise<void> {
  const { metafile } = await bundle({
    entryPoints: { index: 'functions/index.ts' },
    outdir: OUT,
    external: Object.keys(EXTERNAL),
    plugins: [trimProtos],
    legalComments: 'none',
    minifyWhitespace: true,
  });
  const own = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const dependencies = Object.fromEntries(
    Object.keys(EXTERNAL).map((name) => [name, own.dependencies[name]]),
  );
  const deployed = {
    name: 'caliban-functions',
    version: own.version,
    private: true,
    type: 'module',
    main: 'index.js',
    engines: { node: '24' },
    dependencies,
  };
  writeFileSync(`${root}${OUT}/package.json`, `${JSON.stringify(deployed, null, 2)}\n`);
  // Which source is in which file: a test asserts what each function loads.
  writeFileSync(`${root}dist/hosted-meta.json`, JSON.stringify(metafile));
}
