import { bundle } from './bundle.ts';

/** Bundles the CLI and, as lazily loaded chunks, the one-machine service; by itself too: `node scripts/build-cli.ts`. */
export async function buildCli(): Promise<void> {
  await bundle({
    entryPoints: { 'cli/main': 'cli/main.ts', 'functions/embedded': 'functions/embedded.ts' },
    outdir: 'dist',
    // ssh2, below dockerode, is quicker with its compiled parts and does without where they are not there.
    external: ['*.node'],
  });
}

if (import.meta.main) await buildCli();
