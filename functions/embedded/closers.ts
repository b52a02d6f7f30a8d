import type { Log } from '../ports/runtime.ts';

/** What was opened, to be closed last to first. */
export interface Closers {
  add(name: string, close: () => unknown): void;
  /** Closes everything; what cannot be closed is logged and hinders nothing else. */
  closeAll(log: Log | null): Promise<void>;
}

/** Nothing opened yet. */
export function createClosers(): Closers {
  const opened: { readonly name: string; close(): unknown }[] = [];
  return {
    add(name, close) {
      opened.push({ name, close });
    },
    async closeAll(log) {
      for (let last = opened.pop(); last !== undefined; last = opened.pop()) {
        try {
          await last.close();
        } catch (error) {
          log?.error({ part: last.name, error }, 'a part did not close');
        }
      }
    },
  };
}
