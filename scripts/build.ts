import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import { root } from './run.ts';

/** Bundles the CLI and, as lazily loaded chunks, the one-machine service into dist/. */
rmSync(`${root}dist`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { 'cli/main': 'cli/main.ts', 'functions/embedded': 'functions/embedded.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: 'linked',
  minifySyntax: true,
  mainFields: ['module', 'main'],
  // ssh2, below dockerode, is quicker with its compiled parts and does without where they are not there.
  external: ['*.node'],
  // CommonJS dependencies call require() and name their folder; an ES module has neither.
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = import.meta.filename, __dirname = import.meta.dirname;',
    ].join(' '),
  },
  logLevel: 'warning',
});
