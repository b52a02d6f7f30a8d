/** What the clients that Google generates have in common, as far as it is used here. */
export interface GeneratedClient {
  initialize(): Promise<unknown>;
  close(): Promise<void>;
}

/** A generated client, made when it is first needed. */
export interface LazyClient<Client> {
  /** Signs in at first. Rejects with what the client threw when there is no way to do so; asked again then, by a new client. */
  opened(): Promise<Client>;
  /** Idempotent. Waits for a client that is being made. */
  close(): Promise<void>;
}

/** One client for all who ask. `make`: imports its package and makes it, with the application default credentials. */
export function lazyClient<Client extends GeneratedClient>(
  make: () => Promise<Client>,
): LazyClient<Client> {
  let opening: Promise<Client> | undefined;

  async function open(): Promise<Client> {
    const client = await make();
    // By itself it would do so in its first call, and a failure would be a rejection that nobody can catch.
    await client.initialize();
    return client;
  }

  return {
    opened() {
      if (opening !== undefined) return opening;
      const started = open();
      opening = started;
      // A client that could not sign in says so for ever.
      started.catch(() => {
        if (opening === started) opening = undefined;
      });
      return started;
    },
    async close() {
      const open = opening;
      opening = undefined;
      const [client] = await Promise.allSettled([open]);
      if (client.status === 'fulfilled') await client.value?.close();
    },
  };
}
