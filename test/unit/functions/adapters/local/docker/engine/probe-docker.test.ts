import Docker from 'dockerode';
import { describe, test } from 'vitest';
import { probeDocker } from '../../../../../../../functions/adapters/local/docker/engine/probe-docker.ts';
import { AppError } from '../../../../../../../shared/errors/app-error.ts';
import { openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';

const RECENT = { ApiVersion: '1.41', Version: '20.10.24', Os: 'linux', Arch: 'amd64' };

describe('probeDocker', () => {
  test('Docker is usable with an engine, a docker and a base image of either mode', async ({
    expect,
    onTestFinished,
  }) => {
    const { answers, probe } = await opened(onTestFinished);
    answers.set('GET /version', [200, RECENT]);
    const gpuOnly = (reference: string) =>
      reference === 'base:gpu' ? found(reference) : missing(reference);
    expect(await probe({ resolveBase: gpuOnly })).toEqual({ usable: true, apiVersion: '1.41' });
    expect(await probe({ resolveBase: missing })).toEqual({
      usable: false,
      reason: 'No base:cpu here.',
    });
  });

  test('an old engine, and one with an error, are named', async ({ expect, onTestFinished }) => {
    const { answers, probe } = await opened(onTestFinished);
    answers.set('GET /version', [200, { ...RECENT, ApiVersion: '1.40', Version: '19.03.15' }]);
    expect(await probe({})).toMatchObject({
      usable: false,
      reason: expect.stringMatching(/19\.03/),
    });
    answers.set('GET /version', [200, { ...RECENT, ApiVersion: '2.0' }]);
    expect(await probe({})).toMatchObject({ usable: true });
    answers.set('GET /version', [500, { message: 'out of order' }]);
    expect(await probe({})).toMatchObject({ reason: expect.stringContaining('out of order') });
  });

  test('what is no engine at all is told from one', async ({ expect, onTestFinished }) => {
    const { answers, probe } = await opened(onTestFinished);
    answers.set('GET /version', [200, { version: 'of something else' }]);
    expect(await probe({})).toEqual({
      usable: false,
      reason: 'What answers at the address of the Docker engine is none.',
    });
  });

  test('no engine, a silent one, and no docker are each a sentence', async ({
    expect,
    onTestFinished,
  }) => {
    const { answers, probe } = await opened(onTestFinished);
    const nowhere = new Docker({ socketPath: '/nonexistent/docker.sock' });
    expect(await probe({ engine: nowhere })).toEqual({
      usable: false,
      reason: expect.stringMatching(/^The Docker engine does not answer: .*nonexistent.*\.$/),
    });
    answers.set('GET /version', 'never');
    expect(await probe({ answerMs: 50 })).toEqual({
      usable: false,
      reason: 'The Docker engine does not answer within 0.05 s.',
    });
    answers.set('GET /version', [200, RECENT]);
    const findCli = () => Promise.reject(new AppError('DOCKER_UNUSABLE', 'No docker.'));
    expect(await probe({ findCli })).toEqual({ usable: false, reason: 'No docker.' });
  });
});

type Cleanup = (work: () => Promise<void>) => void;
type Options = Parameters<typeof probeDocker>[0];

async function opened(onTestFinished: Cleanup) {
  const fake = await openFakeEngine(onTestFinished);
  const usual: Options = {
    engine: fake.engine,
    findCli: async () => ({ program: '/bin/docker', env: {} }),
    resolveBase: found,
    baseImages: 'base:{}',
  };
  return {
    ...fake,
    probe: (options: Partial<Options>) => probeDocker({ ...usual, ...options }),
  };
}

async function found(reference: string) {
  return { reference, pinned: reference, digest: 'sha256:1', origin: 'named' as const };
}

async function missing(reference: string): Promise<never> {
  throw new AppError('BUILD_FAILED', `No ${reference} here.`);
}
