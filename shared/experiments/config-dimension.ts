import type { JsonList, JsonValue } from './json-value.ts';

/** What one key of the file lists: values of one flag, or rows of values for flags that vary together. */
export type Dimension =
  | { readonly kind: 'plain'; readonly rows: readonly JsonValue[] }
  | { readonly kind: 'compound'; readonly rows: readonly JsonList[] };

/** The value in a row of a dimension; `column` is 0 in a plain one. */
export function valueIn(dimension: Dimension, row: number, column: number): JsonValue {
  const { kind, rows } = dimension;
  const value = kind === 'plain' ? rows[row] : rows[row]?.items[column];
  if (value === undefined) throw new RangeError(`no value in row ${row}, column ${column}`);
  return value;
}
