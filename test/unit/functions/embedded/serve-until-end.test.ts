import { describe, test } from 'vitest';
import { createClosers } from '../../../../functions/embedded/closers.ts';
import { serveUntilEnd } from '../../../../functions/embedded/serve-until-end.ts';
import { SILENT_LOG } from '../../../doubles/logs.ts';

const NEVER = new Promise<void>(() => undefined);

describe('the end of the service', () => {
  test('by the signal: forgotten, ended, then closed', async ({ expect }) => {
    const { done, serving, end } = aService({ idleAfter: NEVER, needed: [] });
    const served = serveUntilEnd(serving);
    end.abort();
    await served;
    expect(done).toEqual(['refused', 'loops ended', 'closed']);
  });

  test('by idleness: only when it is not needed at a second look either', async ({ expect }) => {
    const { done, serving } = aService({ idleAfter: Promise.resolve(), needed: [true, false] });
    await serveUntilEnd(serving);
    const again = ['refused', 'looked', 'admitted'];
    expect(done).toEqual([...again, 'refused', 'looked', 'loops ended', 'closed']);
  });

  test('the signal ends it while it is needed too', async ({ expect }) => {
    const { done, serving, end } = aService({ idleAfter: NEVER, needed: [true] });
    end.abort();
    await serveUntilEnd(serving);
    expect(done).not.toContain('admitted');
    expect(done.at(-1)).toBe('closed');
  });

  test('a disk that fails hinders neither the end nor the lock', async ({ expect }) => {
    const { done, serving } = aService({ idleAfter: Promise.resolve(), needed: [] });
    const door = { ...serving.door, refuse: () => Promise.reject(new Error('disk full')) };
    await serveUntilEnd({ ...serving, door });
    expect(done).toEqual(['logged', 'loops ended', 'closed']);
  });
});

function aService({ idleAfter, needed }: { idleAfter: Promise<void>; needed: boolean[] }) {
  const done: string[] = [];
  const note = (what: string) => async () => {
    done.push(what);
  };
  const end = new AbortController();
  const ending = new AbortController();
  ending.signal.addEventListener('abort', () => done.push('loops ended'));
  const closers = createClosers();
  closers.add('lock', note('closed'));
  const serving = {
    signal: end.signal,
    idle: {
      run: () => idleAfter,
      isNeeded: async () => {
        done.push('looked');
        return needed.shift() === true;
      },
    },
    door: { refuse: note('refused'), admit: note('admitted') },
    ending,
    closers,
    log: { ...SILENT_LOG, error: note('logged') },
  };
  return { done, end, serving };
}
