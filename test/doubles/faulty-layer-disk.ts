import type { LayerDisk } from '../../functions/adapters/local/layers/layer-disk.ts';

/** What happens instead of the n-th change of the disk. */
export interface Fault {
  /** 0: the first change. */
  readonly atStep: number;
  /** `crash`: this and all later calls fail, as for a process that died. `once`: only this one, by `error`. */
  readonly kind: 'crash' | 'once';
  readonly error?: Error;
}

/** A disk that fails at one step; a write that fails leaves its first half. */
export function faultyLayerDisk(disk: LayerDisk, fault: Fault) {
  let steps = 0;
  let isDead = false;

  async function change<T>(act: () => Promise<T>, torn?: () => Promise<void>): Promise<T> {
    if (isDead) throw new Error('the process is dead');
    const isHit = steps++ === fault.atStep;
    if (!isHit) return act();
    isDead = fault.kind === 'crash';
    await torn?.();
    throw fault.error ?? new Error('crash');
  }

  const faulty: LayerDisk = {
    ...disk,
    makeDirectory: (path) => change(() => disk.makeDirectory(path)),
    writeText: (path, text) => change(() => disk.writeText(path, text)),
    move: (from, to) => change(() => disk.move(from, to)),
    remove: (path) => change(() => disk.remove(path)),
    async openStaged(path) {
      const file = await change(() => disk.openStaged(path));
      return {
        write: (bytes, position) =>
          change(
            () => file.write(bytes, position),
            () => file.write(bytes.subarray(0, bytes.length >> 1), position),
          ),
        close: () => file.close(),
      };
    },
  };
  return { disk: faulty, steps: () => steps };
}
