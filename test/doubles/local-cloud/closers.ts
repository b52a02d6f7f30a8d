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
    /** Ends all, also when the end of one fails; then rejects with what failed first. */
    async closeAll(): Promise<void> {
      const failures: unknown[] = [];
      for (const each of started.splice(0).reverse()) {
        const part = await each;
        await part?.close().catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** See {@link createClosers}. */
export type Closers = ReturnType<typeof createClosers>;
