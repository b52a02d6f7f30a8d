import { describe, test } from 'vitest';
import { createMemoryImageBuilder } from '../../functions/adapters/memory/memory-image-builder.ts';
import { imageBuilderContract, NO_DEPENDENCIES } from '../contract/image-builder.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const GOOD = { ...NO_DEPENDENCIES, layer: 'aa', requirements: 'requirements.txt' };
const BAD = { ...GOOD, layer: 'bad' };

const FAILURE = { message: 'No such package.', hint: null, retryable: false };

imageBuilderContract('memory', async () => ({
  builder: createMemoryImageBuilder({
    clock: systemClock,
    polls: 3,
    failure: ({ layer }) => (layer === 'bad' ? FAILURE : null),
  }),
  good: GOOD,
  bad: BAD,
  failure: FAILURE,
  pass: async () => undefined,
  close: async () => undefined,
}));

describe('memory image builder', () => {
  test('a build takes as many polls as it was told', async ({ expect }) => {
    const builder = createMemoryImageBuilder({ clock: systemClock, polls: 2 });
    await builder.start({ key: 'k', attempt: 1, dependencies: GOOD });
    const states = [];
    for (let i = 0; i < 3; i++) states.push((await builder.poll('k', 1)).state);
    expect(states).toEqual(['building', 'building', 'ready']);
  });

  test('without requirements there is nothing to prepare', async ({ expect }) => {
    const builder = createMemoryImageBuilder({ clock: systemClock, polls: 0 });
    expect(await builder.plan(NO_DEPENDENCIES)).toBeNull();
  });
});
