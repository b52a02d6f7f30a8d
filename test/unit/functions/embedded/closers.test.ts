import { describe, test } from 'vitest';
import { createClosers } from '../../../../functions/embedded/closers.ts';
import { SILENT_LOG } from '../../../doubles/logs.ts';

describe('closers', () => {
  test('what was opened last is closed first, one after the other', async ({ expect }) => {
    const closed: string[] = [];
    const closers = createClosers();
    for (const name of ['lock', 'store', 'door']) {
      closers.add(name, async () => {
        await Promise.resolve();
        closed.push(name);
      });
    }
    await closers.closeAll(null);
    expect(closed).toEqual(['door', 'store', 'lock']);
  });

  test('one that fails is logged and hinders no other', async ({ expect }) => {
    const closed: string[] = [];
    const logged: unknown[] = [];
    const closers = createClosers();
    closers.add('lock', () => closed.push('lock'));
    closers.add('store', () => {
      throw new Error('disk full');
    });
    closers.add('door', () => Promise.reject(new Error('stuck')));
    const log = { ...SILENT_LOG, error: (fields: unknown) => logged.push(fields) };
    await closers.closeAll(log);
    expect(closed).toEqual(['lock']);
    expect(logged).toMatchObject([
      { part: 'door', error: { message: 'stuck' } },
      { part: 'store', error: { message: 'disk full' } },
    ]);
  });

  test('each is closed once', async ({ expect }) => {
    let closed = 0;
    const closers = createClosers();
    closers.add('lock', () => ++closed);
    await closers.closeAll(null);
    await closers.closeAll(null);
    expect(closed).toBe(1);
  });
});
