import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test, vi } from 'vitest';
import { connectEngine } from '../../../../../../../functions/adapters/local/docker/engine/engine.ts';
import { engineAddress } from '../../../../../../../functions/adapters/local/docker/engine/engine-address.ts';
import { temporaryDirectory } from '../../../../../../adapters/temporary-directory.ts';
import { openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';
import { serveHttp } from '../../../../../../fixtures/loopback-server.ts';

const VERSION = { ApiVersion: '1.41' };

describe('the address of an engine', () => {
  test('is the socket that DOCKER_HOST names, for programs and for the client', async ({
    expect,
    onTestFinished,
  }) => {
    const { socketPath, answers } = await openFakeEngine(onTestFinished);
    answers.set('GET /version', [200, VERSION]);
    const address = await engineAddress({ DOCKER_HOST: `unix://${socketPath}` });
    expect(address.host).toBe(`unix://${socketPath}`);
    // The client must not look for itself.
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:9');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await (await connectEngine(address)).version()).toEqual(VERSION);
  });

  test('of a relative socket holds in any directory', async ({ expect }) => {
    const { host } = await engineAddress({ DOCKER_HOST: 'unix://d.sock' });
    expect(host).toBe(`unix://${resolve('d.sock')}`);
  });

  test('is a usual socket when none is named: the one of the home first', async ({
    expect,
    onTestFinished,
  }) => {
    const home = temporaryDirectory();
    onTestFinished(() => home.remove());
    const unnamed = [{}, { DOCKER_HOST: '' }, { DOCKER_HOST: 'unix://' }];
    for (const environment of unnamed) {
      expect(await engineAddress({ ...environment, HOME: home.path })).toEqual({
        host: 'unix:///var/run/docker.sock',
        client: { host: '', socketPath: '/var/run/docker.sock' },
      });
    }
    const desktop = join(home.path, '.docker', 'run', 'docker.sock');
    mkdirSync(join(desktop, '..'), { recursive: true });
    writeFileSync(desktop, '');
    for (const environment of unnamed) {
      const { host } = await engineAddress({ ...environment, HOME: home.path });
      expect(host).toBe(`unix://${desktop}`);
    }
  });

  test('may be one of the network', async ({ expect, onTestFinished }) => {
    const server = await serveHttp((_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(VERSION));
    });
    onTestFinished(server.close);
    const place = `127.0.0.1:${server.port}`;
    for (const named of [`tcp://${place}`, place, `http://${place}`]) {
      const address = await engineAddress({ DOCKER_HOST: named });
      expect(address.host).toBe(`tcp://${place}`);
      expect(await (await connectEngine(address)).version()).toEqual(VERSION);
    }
  });

  test('has the port that the docker program takes when it names none', async ({ expect }) => {
    const plain = await engineAddress({ DOCKER_HOST: 'tcp://engine' });
    expect(plain.client).toEqual({ protocol: 'http', host: 'engine', port: '2375' });
    const verified = await engineAddress({ DOCKER_HOST: 'tcp://engine', DOCKER_TLS_VERIFY: '1' });
    expect(verified.client).toEqual({ protocol: 'https', host: 'engine', port: '2376' });
  });

  test('goes with certificates', async ({ expect, onTestFinished }) => {
    const dir = temporaryDirectory();
    onTestFinished(() => dir.remove());
    const environment = { DOCKER_HOST: 'tcp://engine:2376', DOCKER_CERT_PATH: dir.path };
    await expect(engineAddress(environment)).rejects.toMatchObject({
      code: 'DOCKER_UNUSABLE',
      message: expect.stringMatching(/DOCKER_CERT_PATH cannot be read: .*ca\.pem/),
    });
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(dir.path, `${name}.pem`), name);
    expect((await engineAddress(environment)).client).toEqual({
      protocol: 'https',
      host: 'engine',
      port: '2376',
      ca: Buffer.from('ca'),
      cert: Buffer.from('cert'),
      key: Buffer.from('key'),
    });
  });

  test('may be one behind ssh', async ({ expect }) => {
    const environment = { DOCKER_HOST: 'ssh://me@engine:2222', SSH_AUTH_SOCK: '/agent' };
    expect(await engineAddress(environment)).toEqual({
      host: 'ssh://me@engine:2222',
      client: {
        protocol: 'ssh',
        host: 'engine',
        port: '2222',
        username: 'me',
        sshOptions: { agent: '/agent' },
      },
    });
  });

  test.for(['tcp://', 'ftp://u:secret@engine', 'tcp://u:secret@[', '://secret'])(
    '%s is none, and is not repeated',
    async (named, { expect }) => {
      const refused = engineAddress({ DOCKER_HOST: named });
      await expect(refused).rejects.toMatchObject({ code: 'DOCKER_UNUSABLE' });
      await expect(refused).rejects.not.toThrow(/secret/);
    },
  );
});
