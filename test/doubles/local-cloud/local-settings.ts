import type * as z from 'zod';
import type { hostedSettings } from '../../../shared/config/hosted-settings.ts';
import { TEST_PROJECT } from '../google-api/projects.ts';

/** Settings as a deployment writes them. */
export type LocalSettings = z.input<typeof hostedSettings>;

/** Settings of a service in a cloud of this machine. */
export function localSettings(of: {
  readonly tokenSha256: string;
  readonly repository: string;
  readonly issuer: string;
  readonly audience: string;
  readonly caller: string;
  readonly topicPrefix: string;
  readonly buckets: { readonly layers: string; readonly builds: string; readonly logs: string };
  readonly endpoints: { readonly storage: string; readonly google: string };
}): LocalSettings {
  const { google, storage } = of.endpoints;
  return {
    schemaVersion: 1,
    project: TEST_PROJECT.id,
    logLevel: 'debug',
    layersBucket: of.buckets.layers,
    topicPrefix: of.topicPrefix,
    images: { repository: of.repository, signIn: 'google' },
    builds: {
      region: 'us-central1',
      logsBucket: of.buckets.logs,
      contextBucket: of.buckets.builds,
    },
    vertex: {
      projects: [TEST_PROJECT.id],
      regions: ['us-central1', 'europe-west4'],
      ratePerMinute: null,
      maxActive: 100,
    },
    callers: {
      issuer: of.issuer,
      jwksUri: null,
      audience: of.audience,
      emails: [of.caller],
    },
    tokens: [{ sha256: of.tokenSha256, principal: 'ada', role: 'admin' }],
    endpoints: { storage, vertex: google, cloudBuild: google, logging: google },
  };
}
