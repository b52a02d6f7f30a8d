import { type BuildOptions, type BuildResult, build } from 'esbuild';
import { root } from './run.ts';

/** Bundles entry points into ES modules for Node, split so that what is imported lazily is loaded lazily. */
export function bundle(options: BuildOptions): Promise<BuildResult<{ metafile: true }>> {
  return build({
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: 'linked',
    minifySyntax: true,
    metafile: true,
    mainFields: ['module', 'main'],
    // CommonJS dependencies call require() and name their folder; an ES module has neither.
    banner: {
      js: [
        "import { createRequire as __createRequire } from 'node:module';",
        'const require = __createRequire(import.meta.url);',
        'const __filename = import.meta.filename, __dirname = import.meta.dirname;',
      ].join(' '),
    },
    logLevel: 'warning',
    ...options,
  });
}
