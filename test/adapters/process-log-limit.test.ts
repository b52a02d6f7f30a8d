import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { attemptDirectory } from '../../functions/adapters/local/attempts/attempt-files.ts';
import { LOG_LIMIT, logLimitContract } from '../contract/log-limit.ts';
import { aJob } from '../contract/platform.ts';
import {
  openTestPlatform,
  shellProgram,
  temporaryDirectory,
} from '../fixtures/process-platform.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const waiter = { clock: systemClock, program: shellProgram, pass: () => sleep(10) };

logLimitContract('process', async (onTestFinished) => {
  const dir = await temporaryDirectory();
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return {
    waiter,
    open: async () => {
      const platform = await openTestPlatform(dir, { maxLogBytes: LOG_LIMIT });
      onTestFinished(() => platform.close());
      return platform;
    },
    scriptJob: async (jobId, script) => ({
      ...aJob(waiter, { jobId }),
      command: ['sh', '-c', script],
      args: [],
    }),
    pause: `while [ ! -e '${dir}/go' ]; do sleep 0.05; done; rm '${dir}/go'`,
    go: () => writeFile(join(dir, 'go'), ''),
    logOf: (ref) => readFile(join(attemptDirectory(dir, ref), 'log'), 'utf8').catch(() => ''),
  };
});
