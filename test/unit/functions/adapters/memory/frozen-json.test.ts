import { describe, test } from 'vitest';
import { frozenJson } from '../../../../../functions/adapters/memory/frozen-json.ts';

describe('frozenJson', () => {
  test('copies and freezes every level', ({ expect }) => {
    const value = { list: [{ n: 1 }], text: 'a' };
    const copy = frozenJson(value);
    value.text = 'changed';
    expect(copy).toEqual({ list: [{ n: 1 }], text: 'a' });
    expect(Object.isFrozen(copy)).toBe(true);
    expect(Object.isFrozen(copy.list)).toBe(true);
    expect(Object.isFrozen(copy.list[0])).toBe(true);
  });

  test('shares what it froze before', ({ expect }) => {
    const first = frozenJson({ history: [{ at: 1 }], state: 'QUEUED' });
    const second = frozenJson({ ...first, state: 'RUNNING' });
    expect(second.history).toBe(first.history);
    expect(frozenJson(second)).toBe(second);
  });

  test('copies what somebody else froze, as its parts may change', ({ expect }) => {
    const inner = { n: 1 };
    const copy = frozenJson(Object.freeze({ inner }));
    inner.n = 2;
    expect(copy.inner.n).toBe(1);
  });

  test('leaves out undefined fields and keeps one named __proto__', ({ expect }) => {
    expect(Object.keys(frozenJson({ a: undefined, b: 1 }))).toEqual(['b']);
    const copy = frozenJson(JSON.parse('{"__proto__": {"team": "vision"}}'));
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"team":"vision"}}');
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  });
});
