/** Remembers a bounded number of values, those used last. */
export interface Recent<Value> {
  get(key: string): Value | undefined;
  put(key: string, value: Value): void;
}

/** `sizeOf` and `maxSize`: where values differ in weight, how heavy all together may be; the newest is always kept. */
export function createRecent<Value>(
  maxCount: number,
  weight?: { readonly maxSize: number; readonly sizeOf: (value: Value) => number },
): Recent<Value> {
  // A Map keeps the order of insertion: the first is what was used longest ago.
  const values = new Map<string, Value>();
  let size = 0;
  const sizeOf = weight?.sizeOf ?? (() => 0);

  function take(key: string): Value | undefined {
    const value = values.get(key);
    if (value === undefined) return undefined;
    values.delete(key);
    size -= sizeOf(value);
    return value;
  }

  function put(key: string, value: Value): void {
    take(key);
    values.set(key, value);
    size += sizeOf(value);
    for (const oldest of values.keys()) {
      if (values.size <= maxCount && size <= (weight?.maxSize ?? 0)) return;
      if (oldest === key) return;
      take(oldest);
    }
  }

  return {
    get(key) {
      const value = take(key);
      if (value !== undefined) put(key, value);
      return value;
    },
    put,
  };
}
