import type { ConfigIssue, ConfigIssues } from './config-issues.ts';
import { type FlagKey, parseFlagKey } from './flag-key.ts';
import { isJsonList, isJsonObject, type JsonMember, type JsonValue } from './json-value.ts';
import { keyPreview, valuePreview } from './value-preview.ts';

/** What one key of the file lists: values of one flag, or rows of values for flags that vary together. */
export type Dimension =
  | { readonly kind: 'plain'; readonly rows: readonly JsonValue[] }
  | { readonly kind: 'compound'; readonly rows: readonly (readonly JsonValue[])[] };

/** The value in a row of a dimension; `column` is 0 in a plain one. */
export function valueIn(dimension: Dimension, row: number, column: number): JsonValue {
  const value = dimension.kind === 'plain' ? dimension.rows[row] : dimension.rows[row]?.[column];
  if (value === undefined) throw new RangeError(`no value in row ${row}, column ${column}`);
  return value;
}

/** A dimension, the flag names of its columns, and where in the text its entries start. */
export interface ReadDimension {
  readonly names: readonly string[];
  readonly dimension: Dimension;
  offsetOf(row: number, column: number): number;
}

interface Entry extends JsonMember {
  readonly key: string;
}

/** Reads one key with its value; adds what is wrong to the issues and then gives undefined. */
export function readDimension(
  key: string,
  member: JsonMember,
  issues: ConfigIssues,
): ReadDimension | undefined {
  const entry: Entry = { key, ...member };
  const flagKey = parseFlagKey(key);
  if ('problem' in flagKey) {
    issues.add(() => badKey(entry, flagKey.problem));
    return undefined;
  }
  if (isRefused(member.value)) {
    issues.add(() => badValue({ key, value: member.value, offset: member.valueOffset }));
    return undefined;
  }
  return flagKey.compound ? readCompound(entry, flagKey, issues) : readPlain(entry, flagKey);
}

/** Whether a flag cannot have this value. (Inside a list value anything is allowed.) */
export function isRefused(value: JsonValue | undefined): boolean {
  return value === null || isJsonObject(value);
}

/** The refusal of a null or an object. */
export function badValue(place: { key: string; value: JsonValue; offset: number }): ConfigIssue {
  const { key, value, offset } = place;
  return {
    offset,
    reason: 'bad-value',
    key,
    message: `key ${keyPreview(key)} has the value ${valuePreview(value)}, but a value must be a string, number, boolean or list`,
    hint:
      value === null
        ? 'Leave the key out to not set the flag, or write "null" as a string.'
        : 'Give each inner value a flag of its own, for example "optimizer.name": "adam".',
  };
}

function readPlain({ value, valueOffset }: Entry, { names }: FlagKey): ReadDimension {
  if (!isJsonList(value)) {
    return { names, dimension: { kind: 'plain', rows: [value] }, offsetOf: () => valueOffset };
  }
  const offsetOf = (row: number) => value.offsets[row] ?? valueOffset;
  return { names, dimension: { kind: 'plain', rows: value.items }, offsetOf };
}

function readCompound(
  entry: Entry,
  { names }: FlagKey,
  issues: ConfigIssues,
): ReadDimension | undefined {
  const { value, valueOffset } = entry;
  if (!isJsonList(value)) {
    issues.add(() => compoundScalar(entry, names));
    return undefined;
  }
  const [first] = value.items;
  if (first === undefined) {
    issues.add(() => compoundEmpty(entry, names));
    return undefined;
  }
  // The first element alone decides between one row and a list of rows.
  const places: readonly Place[] = isJsonList(first)
    ? value.items.map((item, index) => ({
        value: item,
        offset: value.offsets[index] ?? valueOffset,
      }))
    : [{ value, offset: valueOffset }];
  const rows = places.flatMap((place) => {
    if (isJsonList(place.value) && place.value.items.length === names.length) return [place.value];
    issues.add(() => badRow(entry, names, place));
    return [];
  });
  return {
    names,
    dimension: { kind: 'compound', rows: rows.map((row) => row.items) },
    offsetOf: (row, column) => rows[row]?.offsets[column] ?? valueOffset,
  };
}

interface Place {
  readonly value: JsonValue;
  readonly offset: number;
}

function badKey({ key, keyOffset }: Entry, problem: string): ConfigIssue {
  return {
    offset: keyOffset,
    reason: 'bad-key',
    key,
    message: `key ${keyPreview(key)} ${problem}, so it names no flag`,
    hint: 'Name a flag without white space, commas and brackets, as in "batch_size"; flags that vary together as in "[width,depth]".',
  };
}

function compoundScalar(entry: Entry, names: readonly string[]): ConfigIssue {
  return {
    offset: entry.valueOffset,
    reason: 'compound-scalar',
    key: entry.key,
    message: `key ${keyPreview(entry.key)} names ${flagsText(names)}, but its value ${valuePreview(entry.value)} is not a list`,
    hint: rowsHint(names),
  };
}

function compoundEmpty(entry: Entry, names: readonly string[]): ConfigIssue {
  return {
    offset: entry.valueOffset,
    reason: 'compound-empty',
    key: entry.key,
    message: `key ${keyPreview(entry.key)} names ${flagsText(names)}, but its value [] has no row`,
    hint: `${rowsHint(names)} For no experiments at all, write the document [].`,
  };
}

function badRow({ key }: Entry, names: readonly string[], place: Place): ConfigIssue {
  const row = `key ${keyPreview(key)} names ${flagsText(names)}, but the row ${valuePreview(place.value)}`;
  const length = lengthOf(place.value);
  const isRow = isJsonList(place.value);
  return {
    offset: place.offset,
    reason: length === undefined || (!isRow && length === names.length) ? 'row-type' : 'arity',
    key,
    message: isRow
      ? `${row} has ${length} ${length === 1 ? 'value' : 'values'}`
      : `${row} is not a list`,
    hint: rowsHint(names),
  };
}

// The original measures strings and objects as if they were rows and refuses a wrong length as such.
function lengthOf(value: JsonValue): number | undefined {
  if (typeof value === 'string') return Array.from(value).length;
  if (isJsonList(value)) return value.items.length;
  return isJsonObject(value) ? value.members.size : undefined;
}

function flagsText(names: readonly string[]): string {
  return names.length === 1 ? '1 flag' : `${names.length} flags`;
}

function rowsHint(names: readonly string[]): string {
  const row = (start: number) =>
    `[${names
      .slice(0, 4)
      .map((_, i) => start + i)
      .join(', ')}${names.length > 4 ? ', …' : ''}]`;
  const values = names.length === 1 ? '1 value' : `${names.length} values`;
  return `Write rows of ${values} each, for example [${row(1)}, ${row(names.length + 1)}].`;
}
