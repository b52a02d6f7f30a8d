import type { KnipConfig } from 'knip';

const config: KnipConfig = {
  entry: [
    'cli/main.ts!',
    'functions/embedded.ts!',
    'scripts/*.ts',
    'test/**/*.test.ts',
    'test/sim/main.ts',
    'test/bench/*.ts',
  ],
  project: ['{cli,functions,shared}/**/*.ts!', '{test,scripts}/**/*.ts'],
  ignoreDependencies: ['node'],
  ignoreExportsUsedInFile: true,
};

export default config;
