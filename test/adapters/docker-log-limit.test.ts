import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { LOG_LIMIT, logLimitContract } from '../contract/log-limit.ts';
import { eventually, terminal } from '../contract/platform.ts';
import {
  dockerDirectory,
  filesOf,
  onlyContainer,
  openIn,
  scriptJob,
  waiter,
} from '../fixtures/docker-platform.ts';
import { hasPart } from '../fixtures/require.ts';

const LIMITED = { maxLogBytes: LOG_LIMIT, pollMs: 100 };
const DROPPED =
  '[caliban: output is missing here, or comes twice: the engine dropped the beginning of its copy]\n';

describe.runIf(hasPart('docker'))('of containers', () => {
  logLimitContract('docker', async (onTestFinished) => {
    const dir = await dockerDirectory(onTestFinished);
    return {
      waiter,
      open: () => openIn(dir, onTestFinished, LIMITED),
      scriptJob: (jobId, script) => scriptJob(jobId, `trap go=1 USR1\n${script}`),
      pause: 'while [ -z "$go" ]; do sleep 0.05; done; go=',
      go: async () => {
        await (await onlyContainer(dir)).kill({ signal: 'SIGUSR1' });
      },
      logOf: (ref) => logOf(dir, ref),
    };
  });

  test('a log says where it lacks what the engine dropped while no service was there', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const first = await openIn(dir, onTestFinished, LIMITED);
    const script =
      'echo begin; trap go USR1; go() { seq 1000 3999; exit; }; while :; do sleep 0.1; done';
    const { ref } = await first.submit(await scriptJob('away', script));
    await eventually(waiter, async () => ((await logOf(dir, ref)) === '' ? undefined : true));
    await first.close();
    const container = await onlyContainer(dir);
    await container.kill({ signal: 'SIGUSR1' });
    await container.wait();
    const platform = await openIn(dir, onTestFinished, LIMITED);
    await terminal({ ...waiter, platform }, 'away');
    const [had, rest = ''] = (await logOf(dir, ref)).split(DROPPED);
    expect(had).toBe('begin\n');
    const begin = Number.parseInt(rest, 10);
    expect(begin).toBeGreaterThan(1000);
    const kept = Array.from({ length: 4000 - begin }, (_, i) => `${begin + i}\n`);
    expect(rest).toBe(kept.join(''));
  });
});

function logOf(dir: string, ref: string): Promise<string> {
  return readFile(join(filesOf(dir, ref), 'log'), 'utf8').catch(() => '');
}
