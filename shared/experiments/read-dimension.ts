import type { Dimension } from './config-dimension.ts';
import type { ConfigIssues } from './config-issues.ts';
import { badKey, badRow, badValue, compoundEmpty, compoundScalar } from './config-refusals.ts';
import { parseFlagKey } from './flag-key.ts';
import {
  isJsonList,
  isJsonObject,
  type JsonList,
  type JsonMember,
  type JsonValue,
} from './json-value.ts';

/** A key of the file with its dimension, and the flag names of the dimension's columns. */
export interface ReadDimension {
  readonly member: JsonMember;
  readonly names: readonly string[];
  readonly dimension: Dimension;
}

/** Reads one key with its value; adds what is wrong to the issues and then gives undefined. */
export function readDimension(member: JsonMember, issues: ConfigIssues): ReadDimension | undefined {
  const { key, value, valueOffset } = member;
  const flagKey = parseFlagKey(key);
  if ('problem' in flagKey) {
    issues.add(() => badKey(member, flagKey.problem));
    return undefined;
  }
  if (isRefused(value)) {
    issues.add(() => badValue(key, { value, at: valueOffset }));
    return undefined;
  }
  const { names, compound } = flagKey;
  if (compound) return readCompound(member, names, issues);
  const rows = isJsonList(value) ? value.items : [value];
  return { member, names, dimension: { kind: 'plain', rows } };
}

/** Adds an issue for each null or object among the values of one column. */
export function checkColumn(read: ReadDimension, column: number, issues: ConfigIssues): void {
  const { member, names, dimension } = read;
  const key = names[column] ?? member.key;
  if (dimension.kind === 'plain') {
    if (isJsonList(member.value)) checkItems(member.value, key, issues);
    return;
  }
  for (const row of dimension.rows) checkItem({ list: row, index: column }, key, issues);
}

function checkItems(list: JsonList, key: string, issues: ConfigIssues): void {
  for (let index = 0; index < list.items.length; index++) checkItem({ list, index }, key, issues);
}

function checkItem(at: { list: JsonList; index: number }, key: string, issues: ConfigIssues): void {
  const value = at.list.items[at.index];
  if (value !== undefined && isRefused(value)) issues.add(() => badValue(key, { value, at }));
}

// Inside of a list value anything is allowed, so only the value itself is looked at.
function isRefused(value: JsonValue): boolean {
  return value === null || isJsonObject(value);
}

function readCompound(
  member: JsonMember,
  names: readonly string[],
  issues: ConfigIssues,
): ReadDimension | undefined {
  const { value, valueOffset } = member;
  if (!isJsonList(value)) {
    issues.add(() => compoundScalar(member, names));
    return undefined;
  }
  if (value.items.length === 0) {
    issues.add(() => compoundEmpty(member, names));
    return undefined;
  }
  // The first element alone decides between one row and a list of rows.
  const single = !isJsonList(value.items[0]);
  const listed = single ? [value] : value.items;
  const rows = listed
    .filter((row) => isJsonList(row))
    .filter((row) => row.items.length === names.length);
  if (rows.length === listed.length)
    return { member, names, dimension: { kind: 'compound', rows } };
  listed.forEach((row, index) => {
    if (isJsonList(row) && row.items.length === names.length) return;
    const at = single ? valueOffset : { list: value, index };
    issues.add(() => badRow(member, names, { value: row, at }));
  });
  return undefined;
}
