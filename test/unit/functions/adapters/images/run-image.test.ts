import { createHash } from 'node:crypto';
import { describe, test } from 'vitest';
import { appDirectoryLayer } from '../../../../../functions/adapters/images/app-directory.ts';
import type { ImageFacts } from '../../../../../functions/adapters/images/image-facts.ts';
import { planRunImage } from '../../../../../functions/adapters/images/run-image.ts';

const BASE: ImageFacts = {
  id: 'sha256:base',
  tags: ['deps:1'],
  created: '2026-11-24T14:47:51.91701803Z',
  os: 'linux',
  architecture: 'arm64',
  variant: 'v8',
  layers: ['sha256:l1', 'sha256:l2'],
  settings: {
    User: 'caliban',
    Env: ['B=2', 'A=1'],
    WorkingDir: '/usr/app',
    Labels: { z: '1', 'dev.caliban.kind': 'dependencies' },
    Volumes: null,
    ExposedPorts: { '80/tcp': {}, '22/tcp': {} },
    StopSignal: 'SIGINT',
    Shell: null,
  },
};
const IMAGE = { base: 'deps:1', layers: ['aa', 'bb'], entrypoint: ['python', '-m', 'it'] };

describe('a run image', () => {
  test('is its base with the code layers on top and the entry point', ({ expect }) => {
    const { config, diffIds } = planRunImage(BASE, IMAGE);
    const directory = `sha256:${appDirectoryLayer().diffId}`;
    expect(diffIds).toEqual(['sha256:l1', 'sha256:l2', 'sha256:aa', 'sha256:bb', directory]);
    const made = JSON.parse(config);
    expect(made).toEqual({
      architecture: 'arm64',
      variant: 'v8',
      os: 'linux',
      created: BASE.created,
      config: {
        User: 'caliban',
        Env: ['B=2', 'A=1'],
        WorkingDir: '/usr/app',
        Entrypoint: ['python', '-m', 'it'],
        Labels: { z: '1', 'dev.caliban.kind': 'run' },
        ExposedPorts: { '80/tcp': {}, '22/tcp': {} },
        StopSignal: 'SIGINT',
      },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: expect.anything(),
    });
    const ofLayers = made.history.filter((step: { empty_layer?: boolean }) => !step.empty_layer);
    expect(ofLayers).toHaveLength(diffIds.length);
  });

  test('without code is its base with another entry point', ({ expect }) => {
    const { diffIds } = planRunImage(BASE, { ...IMAGE, layers: [] });
    expect(diffIds).toEqual(BASE.layers);
  });

  test('is known before it is made: its id is the hash of its configuration', ({ expect }) => {
    const { config, id, tag } = planRunImage(BASE, IMAGE);
    const hash = createHash('sha256').update(config).digest('hex');
    expect(id).toBe(`sha256:${hash}`);
    expect(tag).toBe(`caliban/run:${hash.slice(0, 40)}`);
  });

  test('is the same however its base is named and its names are ordered', ({ expect }) => {
    const { ExposedPorts, Labels } = BASE.settings;
    const turned = {
      ...BASE.settings,
      ExposedPorts: Object.fromEntries(Object.entries(ExposedPorts ?? {}).toReversed()),
      Labels: Object.fromEntries(Object.entries(Labels).toReversed()),
    };
    const other = planRunImage(
      { ...BASE, tags: ['else:2'], settings: turned },
      { ...IMAGE, base: 'else:2' },
    );
    expect(other).toEqual(planRunImage(BASE, IMAGE));
  });

  test.for([
    ['another system', { os: 'windows' }],
    ['no layers', { layers: null }],
  ] as const)('cannot be made of an image of %s', ([, change], { expect }) => {
    expect(() => planRunImage({ ...BASE, ...change }, IMAGE)).toThrow('no Linux image');
  });
});
