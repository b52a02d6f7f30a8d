const frozen = new WeakSet<object>();

/**
 * A deeply frozen copy of a JSON value. Parts that were frozen here before are shared, not copied again:
 * a document that was read, spread and written back costs its changed parts only. Fields that are
 * undefined are left out, as JSON leaves them out.
 */
export function frozenJson<T>(value: T): T {
  // A copy has the shape of its original; TypeScript cannot see that through the spread.
  return frozenPart(value) as T;
}

function frozenPart(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || frozen.has(value)) return value;
  const copy: object = Array.isArray(value) ? value.slice() : { ...value };
  for (const field of Object.keys(copy)) {
    const part: unknown = Reflect.get(copy, field);
    if (part === undefined && !Array.isArray(copy)) Reflect.deleteProperty(copy, field);
    else if (typeof part === 'object') Reflect.set(copy, field, frozenPart(part));
  }
  Object.freeze(copy);
  frozen.add(copy);
  return copy;
}
