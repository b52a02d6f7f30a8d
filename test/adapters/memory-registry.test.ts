import { createMemoryRegistry } from '../../functions/adapters/memory/memory-registry.ts';
import { registryContract } from '../contract/registry.ts';

registryContract('memory', async () => {
  const registry = createMemoryRegistry();
  registry.push('deps:1');
  return {
    registry,
    base: 'deps:1',
    layers: ['a'.repeat(64), 'b'.repeat(64)],
    absent: 'deps:2',
    pass: async () => undefined,
    close: async () => undefined,
  };
});
