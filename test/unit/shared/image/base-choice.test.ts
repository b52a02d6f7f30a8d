import { describe, test } from 'vitest';
import { chooseBase } from '../../../../shared/image/base-choice.ts';

const CPU = { mode: 'cpu', base: null, python: null } as const;
const GPU = { ...CPU, mode: 'gpu' } as const;

describe('chooseBase', () => {
  test('without a setting it is the public image of the Python asked for', ({ expect }) => {
    expect(chooseBase(CPU, null)).toEqual({ reference: 'python:3.13-slim', python: null });
    expect(chooseBase(GPU, null)).toEqual(chooseBase(CPU, null));
    const wish = { ...CPU, python: '3.11.4' };
    expect(chooseBase(wish, null)).toEqual({ reference: 'python:3.11.4-slim', python: null });
  });

  test("the service's setting follows the mode", ({ expect }) => {
    expect(chooseBase(GPU, 'r/{}/base:{}').reference).toBe('r/gpu/base:gpu');
    expect(chooseBase(CPU, { cpu: 'one', gpu: 'two' }).reference).toBe('one');
    expect(chooseBase(GPU, { cpu: 'one', gpu: 'two' }).reference).toBe('two');
  });

  test('an image of their own is taken as it is, and must have the Python asked for', ({
    expect,
  }) => {
    const own = { ...CPU, base: 'mine:{}', python: '3.12' };
    expect(chooseBase(own, 'base:{}')).toEqual({ reference: 'mine:{}', python: '3.12' });
    expect(chooseBase({ ...CPU, python: '3.12' }, 'base:{}').python).toBe('3.12');
  });

  test('what is no version is refused', ({ expect }) => {
    for (const python of ['', '3.', 'three', '3.12-rc', '3.12 ', '$(x)', '3.1.2.3', '-3']) {
      expect(() => chooseBase({ ...CPU, python }, 'base'), python).toThrow(
        /is no version of Python/,
      );
    }
  });
});
