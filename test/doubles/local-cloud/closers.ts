/** Something that must be ended. */
interface Closable {
  close(): Promise<void>;
}

/** Keeps what was started, to end it in reverse order; also what starts while another one fails. */
export function createClosers() {
  const started: Promise<Closable | undefined>[] = [];
  return {
    add<T extends Closable>(part: T | Promise<T>): Promise<T> {
      const starting = Promise.resolve(part);
      started.push(starting.catch(() => undefined));
      return starting;
    },
    async closeAll(): Promise<void> {
      for (const each of started.splice(0).reverse()) await (await each)?.close();
    },
  };
}

/** See {@link createClosers}. */
export type Closers = ReturnType<typeof createClosers>;
