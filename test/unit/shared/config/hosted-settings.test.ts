import { test } from 'vitest';
import { readHostedSettings } from '../../../../shared/config/hosted-settings.ts';

const LEAST = {
  schemaVersion: 1,
  project: 'team-project',
  layersBucket: 'team-layers',
  images: { repository: 'us-central1-docker.pkg.dev/team-project/caliban' },
  builds: { region: 'us-central1', logsBucket: 'team-logs', contextBucket: 'team-builds' },
  vertex: { projects: ['team-project'], regions: ['us-central1', 'europe-west4'] },
  callers: {
    audience: 'https://worker.example',
    emails: ['push@team-project.iam.gserviceaccount.com'],
  },
};

test('what is left out has a default, and nothing of it is a secret', ({ expect }) => {
  const settings = readHostedSettings(JSON.stringify(LEAST));
  expect(settings).toMatchObject({
    instance: 'caliban',
    database: '(default)',
    topicPrefix: 'caliban',
    images: { signIn: 'google', baseImage: null, indexUrlSecret: null },
    vertex: { scheduling: 'standard', timeoutSeconds: 604_800, maxActive: 1_000 },
    callers: { issuer: 'https://accounts.google.com' },
    tokens: [],
    endpoints: { storage: null, vertex: null, cloudBuild: null, logging: null },
  });
});

test('every value that is wrong is named, with what it must be', ({ expect }) => {
  const wrong = {
    ...LEAST,
    project: 'Team Project',
    images: { ...LEAST.images, indexUrlSecret: 'https://me:password@index.example' },
    vertex: { ...LEAST.vertex, regions: ['here'], outputDirectory: 's3://bucket' },
    tokens: [{ sha256: 'a-plain-token', principal: 'ada', role: 'admin' }],
    typo: true,
  };
  const read = () => readHostedSettings(JSON.stringify(wrong));
  expect(read).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID' }));
  for (const named of [
    'project: must be a project id',
    'images.indexUrlSecret: must name a secret',
    'vertex.regions.0: must be a region',
    'vertex.outputDirectory: must be gs://BUCKET/PREFIX',
    'tokens.0.sha256: must be the sha256 of a token',
    'typo',
  ]) {
    expect(read).toThrow(expect.objectContaining({ message: expect.stringContaining(named) }));
  }
  expect(read).not.toThrow(expect.objectContaining({ message: /password|a-plain-token/ }));
});

test('settings that are missing or no JSON say so', ({ expect }) => {
  const refused = (message: string) =>
    expect.objectContaining({
      code: 'SETTINGS_INVALID',
      message: expect.stringContaining(message),
      hint: expect.stringContaining('CALIBAN_SETTINGS'),
    });
  expect(() => readHostedSettings(undefined)).toThrow(refused('CALIBAN_SETTINGS is not set'));
  expect(() => readHostedSettings('{project: 1}')).toThrow(refused('is no JSON'));
  const newer = JSON.stringify({ ...LEAST, schemaVersion: 2 });
  expect(() => readHostedSettings(newer)).toThrow(refused('schemaVersion'));
});
