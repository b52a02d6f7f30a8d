import { chmodSync } from 'node:fs';
import type { TestContext } from 'vitest';

/** Makes a directory read-only for this process, until the test ends or what it gives back is called. */
export function withoutWriting(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  directory: string,
): () => void {
  const isRoot = process.geteuid?.() === 0;
  chmodSync(directory, 0o555);
  // Modes do not bind root, so root becomes nobody for a while.
  if (isRoot) process.seteuid?.(65534);
  let isOver = false;
  const giveBack = () => {
    if (isOver) return;
    isOver = true;
    if (isRoot) process.seteuid?.(0);
    chmodSync(directory, 0o755);
  };
  onTestFinished(giveBack);
  return giveBack;
}
