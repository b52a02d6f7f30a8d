import type { KnipConfig } from 'knip';

const config: KnipConfig = {
  entry: [
    'cli/main.ts!',
    'functions/embedded.ts!',
    'functions/index.ts!',
    // Started as a process of its own.
    'test/doubles/local-cloud/function-main.ts',
    'scripts/*.ts',
    'test/**/*.test.ts',
    'test/bench/*.ts',
  ],
  project: ['{cli,functions,shared}/**/*.ts!', '{test,scripts}/**/*.ts'],
  // Run by path, so that their own compiler's version can be checked (scripts/deps.ts).
  ignoreDependencies: ['dependency-cruiser'],
  // Parts of the machine that some tests need (test/fixtures/require.ts, descriptors.ts).
  ignoreBinaries: ['docker-registry', 'gcloud', 'java', 'prlimit', 'strace'],
  ignoreExportsUsedInFile: true,
};

export default config;
