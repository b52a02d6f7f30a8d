import type { Parts } from './parts.ts';

/** Where packing and the one-machine service are joined to the CLI; each is loaded when first used. */
export const PARTS: Parts = {
  async packer() {
    const { createPacker } = await import('../pack/packer.ts');
    return createPacker();
  },
  async host() {
    const [{ runServe }, { openOffline }] = await Promise.all([
      import('../../functions/embedded.ts'),
      import('../../functions/embedded/offline.ts'),
    ]);
    return { runServe, offline: openOffline };
  },
  async backup() {
    const { backupDataDir } = await import('../../functions/embedded/backup.ts');
    return backupDataDir;
  },
};
