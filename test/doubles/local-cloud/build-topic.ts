const TOPIC = 'cloud-builds';

/** The topic that Cloud Build publishes to, on the Pub/Sub emulator over its REST form; the emulator asks for no sign-in. */
export function buildTopic({
  host,
  projectId,
}: {
  readonly host: string;
  readonly projectId: string;
}) {
  const base = `http://${host}/v1/projects/${projectId}`;
  const topic = `projects/${projectId}/topics/${TOPIC}`;
  return {
    /** Makes the topic, and its subscription that pushes to a URL. */
    async provision(pushEndpoint: string): Promise<void> {
      await send(`${base}/topics/${TOPIC}`, 'PUT', {});
      await send(`${base}/subscriptions/${TOPIC}-push`, 'PUT', {
        topic,
        pushConfig: { pushEndpoint },
      });
    },
    async publish(data: Uint8Array, attributes: Readonly<Record<string, string>>): Promise<void> {
      const messages = [{ data: Buffer.from(data).toString('base64'), attributes }];
      await send(`${base}/topics/${TOPIC}:publish`, 'POST', { messages });
    },
  };
}

async function send(url: string, method: string, body: object): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!answer.ok && answer.status !== 409) {
    throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  }
  await answer.body?.cancel();
}
