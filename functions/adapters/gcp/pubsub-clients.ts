import type { v1 } from '@google-cloud/pubsub';
import { namedExports } from './commonjs-module.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';

/** Which Pub/Sub is spoken to. */
export interface PubSubSettings {
  readonly projectId: string;
  /** Topics and subscriptions are called `PREFIX-KIND`; at least one letter first. */
  readonly topicPrefix: string;
  readonly endpoint: GoogleEndpoint;
}

/** The generated clients, made when they are first needed. */
export interface PubSubClients {
  publisher(): Promise<v1.PublisherClient>;
  subscriber(): Promise<v1.SubscriberClient>;
  close(): Promise<void>;
}

/** Clients of Pub/Sub over gRPC, with the application default credentials. */
export function createPubSubClients({ projectId, endpoint }: PubSubSettings): PubSubClients {
  let publisher: Promise<v1.PublisherClient> | undefined;
  let subscriber: Promise<v1.SubscriberClient> | undefined;

  async function loaded() {
    const { PubSub, v1 } = namedExports(await import('@google-cloud/pubsub'), 'PubSub');
    // This class knows what the environment says about where Pub/Sub is; an address given here is always asked over TLS.
    const place = endpoint === null ? {} : { apiEndpoint: endpoint, emulatorMode: false };
    const config = await new PubSub({ projectId, ...place }).getClientConfig();
    return { v1, config: { ...config } };
  }

  return {
    async publisher() {
      publisher ??= loaded().then(({ v1, config }) => new v1.PublisherClient(config));
      return await publisher;
    },
    async subscriber() {
      subscriber ??= loaded().then(({ v1, config }) => new v1.SubscriberClient(config));
      return await subscriber;
    },
    async close() {
      await Promise.all([(await publisher)?.close(), (await subscriber)?.close()]);
    },
  };
}
