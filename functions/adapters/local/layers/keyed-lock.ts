/** Runs a task alone among those of the same key, in the order of the calls. */
export type KeyedLock = <T>(key: string, task: () => Promise<T>) => Promise<T>;

/** A lock within this process. A task that throws does not stop the next. */
export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>();
  return async (key, task) => {
    const before = tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    tails.set(key, promise);
    await before;
    try {
      return await task();
    } finally {
      resolve();
      if (tails.get(key) === promise) tails.delete(key);
    }
  };
}
