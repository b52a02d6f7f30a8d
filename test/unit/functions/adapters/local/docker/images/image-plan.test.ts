import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import {
  type ImageSettings,
  type ImageSources,
  wantedImage,
} from '../../../../../../../functions/adapters/local/docker/images/image-plan.ts';
import type { DependencyRequest } from '../../../../../../../functions/ports/image-builder.ts';
import { NO_DEPENDENCIES } from '../../../../../../contract/image-builder.ts';
import { openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';

const SETTINGS: ImageSettings = { baseImages: 'base:{}', caBundle: null, indexUrl: null };
const REQUEST = { ...NO_DEPENDENCIES, layer: 'l', requirements: 'r.txt' };
const CA = '-----BEGIN CERTIFICATE-----\n';

describe('the key of a dependency image', () => {
  test('is the same for the same bytes, and for no other', async ({ expect, onTestFinished }) => {
    const { planned, answers } = await opened(onTestFinished);
    const first = await planned();
    expect(first.key).toMatch(/^[0-9a-f]{64}$/);
    expect((await planned({ requirements: './r.txt' })).key).toBe(first.key);
    const others = [
      await planned({ layer: 'other' }),
      await planned({ mode: 'gpu' }),
      await planned({ base: 'mine:1' }),
      await planned({ python: '3.12' }),
      await planned({ apt: ['git'] }),
      await planned({ layer: null, requirements: null }),
    ];
    answers.set('GET /version', [200, { Os: 'linux', Arch: 'arm64' }]);
    others.push(await planned());
    expect(new Set([first, ...others].map(({ key }) => key)).size).toBe(others.length + 1);
  });

  test('follows the certificates, and the index without its credentials', async ({
    expect,
    onTestFinished,
  }) => {
    const { planned, dir } = await opened(onTestFinished);
    const keyWith = async (settings: Partial<ImageSettings>) => (await planned({}, settings)).key;
    const plain = await keyWith({});
    const index = await keyWith({ indexUrl: 'https://u:p@packages.example/simple' });
    expect(await keyWith({ indexUrl: 'https://packages.example/simple' })).toBe(index);
    const other = await keyWith({ indexUrl: 'https://packages.example/other' });
    const caBundle = join(dir, 'ca.pem');
    writeFileSync(caBundle, CA);
    const ca = await keyWith({ caBundle });
    writeFileSync(caBundle, `${CA}more`);
    const moreCa = await keyWith({ caBundle });
    expect(new Set([plain, index, other, ca, moreCa]).size).toBe(5);
  });

  test('the context holds what the Dockerfile names, and nothing else', async ({
    expect,
    onTestFinished,
  }) => {
    const { planned, dir } = await opened(onTestFinished);
    const caBundle = join(dir, 'ca.pem');
    writeFileSync(caBundle, CA);
    const { files, dockerfile } = await planned({}, { caBundle });
    expect([...files.keys()]).toEqual(['requirements/r.txt', 'ca-bundle.pem']);
    expect(dockerfile).toContain('FROM pinned/base:cpu AS environment\n');
  });

  test('settings that cannot be used are named, and show no password', async ({
    expect,
    onTestFinished,
  }) => {
    const { planned, dir } = await opened(onTestFinished);
    const caBundle = join(dir, 'ca.pem');
    await expect(planned({}, { caBundle })).rejects.toThrow(
      /ca\.pem of the service cannot be read/,
    );
    writeFileSync(caBundle, 'no certificate');
    await expect(planned({}, { caBundle })).rejects.toThrow(/holds no PEM certificate/);
    const urls = ['ftp://u:secret@packages.example', 'secret', 'file:///secret'];
    const queries = [
      'https://packages.example/simple?t=secret',
      'https://packages.example/#secret',
    ];
    for (const indexUrl of [...urls, ...queries]) {
      const error = await planned({}, { indexUrl }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'BUILD_FAILED' });
      expect(JSON.stringify(error) + String(error)).not.toContain('secret');
    }
    await expect(planned({ extras: ['gpu'] })).rejects.toMatchObject({
      code: 'PLATFORM_UNSUPPORTED',
      message: expect.stringContaining('(gpu)'),
    });
  });
});

type Cleanup = (work: () => Promise<void>) => void;

async function opened(onTestFinished: Cleanup) {
  const { engine, answers, dir } = await openFakeEngine(onTestFinished);
  answers.set('GET /version', [200, { Os: 'linux', Arch: 'amd64' }]);
  const sources: Omit<ImageSources, 'settings'> = {
    engine,
    resolveBase: async (reference) => ({
      reference,
      pinned: `pinned/${reference}`,
      digest: `sha256:${reference}`,
      origin: 'named',
    }),
    readLayerFile: async (layer) => Buffer.from(`# of ${layer}`),
  };
  return {
    dir,
    answers,
    planned: (request: Partial<DependencyRequest> = {}, settings: Partial<ImageSettings> = {}) =>
      wantedImage(
        { ...REQUEST, ...request },
        { ...sources, settings: { ...SETTINGS, ...settings } },
      ),
  };
}
