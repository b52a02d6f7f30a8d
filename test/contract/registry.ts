import { describe, test } from 'vitest';
import type { ImageLookup, Registry, RunImage } from '../../functions/ports/registry.ts';

/** One opened registry with one image in it, and two layers that can be appended. */
export interface RegistryHarness {
  readonly registry: Registry;
  /** Reference of an image that layers can be appended to. */
  readonly base: string;
  readonly layers: readonly [string, string];
  /** A reference that leads nowhere. */
  readonly absent: string;
  /** Lets a little time pass. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

/** The behaviour that every Registry has. */
export function registryContract(name: string, open: () => Promise<RegistryHarness>): void {
  describe(`Registry: ${name}`, { timeout: 120_000 }, () => {
    test('a reference stands for one digest, which stands for itself', async ({
      expect,
      onTestFinished,
    }) => {
      const harness = await opened(open, onTestFinished);
      const found = await looked(harness, harness.base);
      expect(found).toMatchObject({ state: 'found' });
      const digest = digestOf(found);
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await looked(harness, digest)).toEqual(found);
    });

    test('what is not there is absent, and named', async ({ expect, onTestFinished }) => {
      const harness = await opened(open, onTestFinished);
      const found = await looked(harness, harness.absent);
      expect(found.state).toBe('absent');
      expect(found.state === 'absent' && found.message).toContain(harness.absent);
    });

    test('the same input makes the same image, also twice at once', async ({
      expect,
      onTestFinished,
    }) => {
      const { registry, ...harness } = await opened(open, onTestFinished);
      const image: RunImage = { ...harness, entrypoint: ['python', 'train.py'] };
      const [a, b] = await Promise.all([registry.append(image), registry.append(image)]);
      expect(a.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(b).toEqual(a);
      expect(await registry.append(image)).toEqual(a);
      expect(await looked({ ...harness, registry }, a.digest)).toEqual({
        state: 'found',
        digest: a.digest,
      });
    });

    test('layers, their order and the entry point all matter', async ({
      expect,
      onTestFinished,
    }) => {
      const { registry, base, layers } = await opened(open, onTestFinished);
      const images: RunImage[] = [
        { base, layers, entrypoint: ['python'] },
        { base, layers: layers.toReversed(), entrypoint: ['python'] },
        { base, layers: [layers[0]], entrypoint: ['python'] },
        { base, layers: [], entrypoint: ['python'] },
        { base, layers, entrypoint: ['python', '-m', 'it'] },
      ];
      const digests = [];
      for (const image of images) digests.push((await registry.append(image)).digest);
      expect(new Set(digests).size).toBe(images.length);
    });

    test('nothing is appended to a base that is gone', async ({ expect, onTestFinished }) => {
      const { registry, absent } = await opened(open, onTestFinished);
      const image: RunImage = { base: absent, layers: [], entrypoint: ['python'] };
      await expect(registry.append(image)).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    });
  });
}

async function opened(
  open: () => Promise<RegistryHarness>,
  onTestFinished: (close: () => Promise<void>) => void,
): Promise<RegistryHarness> {
  const harness = await open();
  onTestFinished(() => harness.close());
  return harness;
}

async function looked(
  { registry, pass }: Pick<RegistryHarness, 'registry' | 'pass'>,
  reference: string,
): Promise<ImageLookup> {
  for (let turn = 0; turn < 5_000; turn++) {
    const found = await registry.resolve(reference);
    if (found.state !== 'pending') return found;
    await pass();
  }
  throw new Error(`${reference} is still being fetched after 5000 turns.`);
}

function digestOf(found: ImageLookup): string {
  return found.state === 'found' ? found.digest : '';
}
