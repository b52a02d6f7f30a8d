import { describe, test } from 'vitest';
import {
  causeOfExit,
  notStarted,
} from '../../../../../../../functions/adapters/local/docker/containers/container-verdict.ts';

const LIMITS = { cpus: null, memoryBytes: 32 * 1024 * 1024 };
const INIT = '[FATAL tini (8)] exec nope failed: No such file or directory\n';

describe('why a container ended', () => {
  test.for([
    ['by itself', 0, false, '', 'succeeded', 'Exit code 0.'],
    ['with a status', 3, false, '', 'exit-code', 'Exit code 3.'],
    ['by a signal', 137, false, '', 'exit-code', 'SIGKILL'],
    ['for memory', 137, true, '', 'out-of-memory', 'Killed for lack'],
    [
      'by a worker that was killed for memory',
      1,
      true,
      '',
      'out-of-memory',
      'Exit code 1, after a',
    ],
    ['well, in spite of such a worker', 0, true, '', 'succeeded', 'Exit code 0.'],
    ['by its init', 127, false, `x\n${INIT}`, 'platform', 'exec nope failed: No such file'],
    ['like its init, with a status of its own', 3, false, INIT, 'exit-code', 'Exit code 3.'],
    ['with the words of an init in the middle', 127, false, `${INIT}x\n`, 'exit-code', '127'],
  ] as const)('%s', ([, exitCode, outOfMemory, last, code, words], { expect }) => {
    const cause = causeOfExit({ exitCode, outOfMemory }, LIMITS, last);
    expect(cause.code).toBe(code);
    expect(cause.message).toContain(words);
  });

  test('memory without a limit is the machine’s', ({ expect }) => {
    const cause = causeOfExit(
      { exitCode: 137, outOfMemory: true },
      { ...LIMITS, memoryBytes: null },
      '',
    );
    expect(cause.message).toContain('on this machine');
    expect(cause.message).not.toContain('--job_memory');
  });
});

test('an engine without init: the way out is named', ({ expect }) => {
  const words = 'exec: "docker-init": executable file not found in $PATH';
  expect(notStarted(words).message).toContain('install the package tini');
  expect(notStarted('no space left.').message).toMatch(/: no space left\.$/);
});
