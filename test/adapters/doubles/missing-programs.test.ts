import { describe, test } from 'vitest';
import { createClosers } from '../../doubles/local-cloud/closers.ts';
import { startFirestoreEmulator } from '../../fixtures/firestore-emulator.ts';
import { startRegistry } from '../../fixtures/loopback-registry.ts';
import { startPubSubEmulator } from '../../fixtures/pubsub-emulator.ts';
import { hasPart } from '../../fixtures/require.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

describe('programs that are not there', () => {
  test('a registry without its program is a rejection', async ({ expect, onTestFinished }) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    onTestFinished(withPath(path));
    await expect(startRegistry(path)).rejects.toThrow('spawn docker-registry ENOENT');
  });

  test.runIf(hasPart('emulators'))('emulators without Java are rejections', async (t) => {
    const { path, remove } = temporaryDirectory();
    t.onTestFinished(remove);
    t.onTestFinished(withPath(path));
    await t.expect(startFirestoreEmulator(path)).rejects.toThrow('spawn java ENOENT');
    await t.expect(startPubSubEmulator()).rejects.toThrow('spawn java ENOENT');
  });

  test('what starts while another part fails is ended, and so is what comes after a failed end', async ({
    expect,
  }) => {
    const ended: string[] = [];
    const part = (name: string) => ({ close: async () => void ended.push(name) });
    const late = Promise.withResolvers<ReturnType<typeof part>>();
    const { add, closeAll } = createClosers();
    void add(part('first'));
    void add({ close: () => Promise.reject(new Error('stuck')) });
    void add(late.promise);
    await expect(add(Promise.reject(new Error('no')))).rejects.toThrow('no');
    const closing = closeAll();
    late.resolve(part('late'));
    await expect(closing).rejects.toThrow('stuck');
    expect(ended).toEqual(['late', 'first']);
  });
});

/** Programs are looked for in one directory only; returns what undoes it. */
function withPath(path: string): () => void {
  const before = process.env['PATH'];
  process.env['PATH'] = path;
  return () => {
    process.env['PATH'] = before;
  };
}
