import type { OutboxDoc } from '../../functions/ports/documents.ts';
import type { Worker } from './worker.ts';

/** A wait in the outbox, as it was put last. */
interface Wait {
  readonly step: number;
  readonly isTaken: boolean;
  readonly until: number;
  readonly by: Worker | undefined;
}

/**
 * Watches the waits that handlers leave themselves: one is forgotten only by who took it, or has published it as it stands; and of
 * several handlers one has it. Each look gives what is wrong, or undefined.
 */
export class Waits {
  private steps = 0;
  private readonly waits = new Map<string, Wait>();

  published(id: string, worker: Worker): void {
    worker.published.set(id, ++this.steps);
  }

  put(
    id: string,
    { leasedBy, notBefore }: OutboxDoc,
    at: { readonly now: number; readonly worker: Worker | undefined },
  ): string | undefined {
    const before = this.waits.get(id);
    const isTaken = leasedBy !== null;
    this.waits.set(id, { step: ++this.steps, isTaken, until: notBefore, by: at.worker });
    if (!isTaken) return undefined;
    if (before === undefined) return 'a wait was taken that is gone';
    const isHeld = before.isTaken && before.until > at.now;
    return isHeld ? 'a wait was taken that another handler has' : undefined;
  }

  deleted(id: string, worker: Worker | undefined): string | undefined {
    const before = this.waits.get(id);
    this.waits.delete(id);
    if (before === undefined || worker === undefined) return undefined;
    const isPublished = (worker.published.get(id) ?? 0) > before.step;
    const isOwn = before.isTaken && before.by === worker;
    return isPublished || isOwn
      ? undefined
      : 'a wait was deleted that its worker neither took nor published';
  }
}
