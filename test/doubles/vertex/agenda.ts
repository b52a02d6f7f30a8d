/** Something that is due at a time. */
export interface Step {
  /** UTC milliseconds. */
  readonly at: number;
  readonly go: (at: number) => void;
  /** True: it does not happen any more. */
  dropped: boolean;
}

/** What is to happen, earliest first; what is due at the same time in the order it was added. */
export interface Agenda {
  add(at: number, go: (at: number) => void): Step;
  /** Takes all steps that are due, those added meanwhile included. */
  takeUntil(now: number): void;
}

/** A binary heap, so that tens of thousands of jobs cost little. */
export function createAgenda(): Agenda {
  const heap: { readonly step: Step; readonly order: number }[] = [];
  let added = 0;

  function isBefore(left: number, right: number): boolean {
    const [a, b] = [heap[left], heap[right]];
    if (a === undefined || b === undefined) return a !== undefined;
    return a.step.at === b.step.at ? a.order < b.order : a.step.at < b.step.at;
  }

  function swap(left: number, right: number): void {
    const [a, b] = [heap[left], heap[right]];
    if (a === undefined || b === undefined) return;
    heap[left] = b;
    heap[right] = a;
  }

  function pop(): Step | undefined {
    swap(0, heap.length - 1);
    const first = heap.pop()?.step;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const child = isBefore(right, left) ? right : left;
      if (!isBefore(child, at)) return first;
      swap(child, at);
      at = child;
    }
  }

  return {
    add(at, go) {
      const step = { at, go, dropped: false };
      heap.push({ step, order: added++ });
      for (let place = heap.length - 1; place > 0; ) {
        const parent = (place - 1) >> 1;
        if (!isBefore(place, parent)) break;
        swap(place, parent);
        place = parent;
      }
      return step;
    },
    takeUntil(now) {
      while ((heap[0]?.step.at ?? Infinity) <= now) {
        const step = pop();
        if (step?.dropped === false) step.go(step.at);
      }
    },
  };
}
