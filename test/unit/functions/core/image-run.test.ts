import { describe, test } from 'vitest';
import { createMemoryRegistry } from '../../../../functions/adapters/memory/memory-registry.ts';
import { prepareImage } from '../../../../functions/core/image.ts';
import type { Registry } from '../../../../functions/ports/registry.ts';
import { submissionNow, waitingMessages } from '../../../doubles/store-access.ts';

import { KEY, withDependencies, withSubmission } from '../../../fixtures/image-step.ts';

describe('on a platform that runs images', () => {
  test('the run image is the dependency image with the code layers and the command', async ({
    expect,
  }) => {
    const deps = await withDependencies();
    const images = createMemoryRegistry();
    const base = images.push('deps:1');
    deps.builder.onPlan = async () => ({ key: KEY, ready: true, image: 'deps:1' });
    await prepareImage({ ...deps, registry: images }, 'submission');
    const ready = await submissionNow(deps);
    expect(ready).toMatchObject({ imageState: 'ready', buildId: KEY, run: { kind: 'image' } });
    const digest = ready.run?.kind === 'image' ? ready.run.digest : '';
    expect(images.appended.get(digest)).toEqual({
      base,
      layers: ready.codeLayers,
      entrypoint: ready.command,
    });
  });

  test('a given image is taken as it is: no layers, no build', async ({ expect }) => {
    const deps = await withSubmission({ image: 'team/model:7', codeLayers: [] });
    const images = createMemoryRegistry();
    const digest = images.push('team/model:7');
    await prepareImage({ ...deps, registry: images }, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ run: { kind: 'image', digest } });
    expect(deps.builder.started).toEqual([]);
  });

  test('waits for a given image that is being fetched', async ({ expect }) => {
    const deps = await withSubmission({ image: 'team/model:7', codeLayers: [] });
    const registry: Registry = {
      ...createMemoryRegistry(),
      resolve: async () => ({ state: 'pending' }),
    };
    await prepareImage({ ...deps, registry }, 'submission');
    expect((await submissionNow(deps)).imageState).toBe('waiting');
    expect(await waitingMessages(deps)).toHaveLength(1);
  });

  test('a given image that does not exist ends the submission with the registry’s words', async ({
    expect,
  }) => {
    const deps = await withSubmission({ image: 'team/gone:1', codeLayers: [] });
    await prepareImage({ ...deps, registry: createMemoryRegistry() }, 'submission');
    const { endingState, endingCause } = await submissionNow(deps);
    expect(endingState).toBe('FAILED');
    expect(endingCause?.message).toContain('team/gone:1');
  });

  test('without a registry a given image is refused, not run as something else', async ({
    expect,
  }) => {
    const deps = await withSubmission({ image: 'team/model:7', codeLayers: [] });
    await prepareImage(deps, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ endingState: 'FAILED', run: null });
  });
});
