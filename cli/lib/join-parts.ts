import type { Parts } from './parts.ts';

/** Where packing and the one-machine service are joined to the CLI; each is loaded when first used. */
export const PARTS: Parts = {
  async packer() {
    const { createPacker } = await import('../pack/packer.ts');
    return createPacker();
  },
  async host() {
    const { runServe, openOffline } = await import('../../functions/embedded.ts');
    return { runServe, offline: openOffline };
  },
};
