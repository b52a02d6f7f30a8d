import type { ConfigIssue, IssuePlace } from './config-issues.ts';
import { isJsonList, isJsonObject, type JsonMember, type JsonValue } from './json-value.ts';
import { keyPreview, valuePreview } from './value-preview.ts';

/** A value and where it stands. */
interface Place {
  readonly value: JsonValue;
  readonly at: IssuePlace;
}

/** The refusal of a document that is neither an object nor a list. */
export function badDocument({ value, at }: Place): ConfigIssue {
  return {
    at,
    reason: 'top-level',
    message: `the document is ${valuePreview(value)}, ${MUST_BE_CONFIG}`,
    hint: 'Write an object, for example {"learning_rate": [0.01, 0.001]}.',
  };
}

/** The refusal of anything but objects and lists in a list document; `number` counts from 1. */
export function badListItem(number: number, { value, at }: Place): ConfigIssue {
  return {
    at,
    reason: 'list-item',
    message: `item ${number} of the list is ${valuePreview(value)}, ${MUST_BE_CONFIG}`,
    hint: 'Give each value its flag name, for example {"learning_rate": [0.01, 0.001]}.',
  };
}

const MUST_BE_CONFIG = 'but must be an object of flags or a list of such objects';

/** The refusal of a null or an object. */
export function badValue(key: string, { value, at }: Place): ConfigIssue {
  return {
    at,
    reason: 'bad-value',
    key,
    message: `key ${keyPreview(key)} has the value ${valuePreview(value)}, but a value must be a string, number, boolean or list`,
    hint:
      value === null
        ? 'Leave the key out to not set the flag, or write "null" as a string.'
        : 'Give each inner value a flag of its own, for example "optimizer.name": "adam".',
  };
}

/** The refusal of a key that names no flag. */
export function badKey({ key, keyOffset }: JsonMember, problem: string): ConfigIssue {
  return {
    at: keyOffset,
    reason: 'bad-key',
    key,
    message: `key ${keyPreview(key)} ${problem}, so it names no flag`,
    hint: 'Name a flag without white space, commas and brackets, as in "batch_size"; flags that vary together as in "[width,depth]".',
  };
}

/** The refusal of a compound key whose value is no list. */
export function compoundScalar(entry: JsonMember, names: readonly string[]): ConfigIssue {
  return {
    at: entry.valueOffset,
    reason: 'compound-scalar',
    key: entry.key,
    message: `key ${keyPreview(entry.key)} names ${flagsText(names)}, but its value ${valuePreview(entry.value)} is not a list`,
    hint: rowsHint(names),
  };
}

/** The refusal of a compound key with an empty list. */
export function compoundEmpty(entry: JsonMember, names: readonly string[]): ConfigIssue {
  return {
    at: entry.valueOffset,
    reason: 'compound-empty',
    key: entry.key,
    message: `key ${keyPreview(entry.key)} names ${flagsText(names)}, but its value [] has no row`,
    hint: `${rowsHint(names)} For no experiments at all, write the document [].`,
  };
}

/** The refusal of a row that is no list, or has not one value for each name. */
export function badRow({ key }: JsonMember, names: readonly string[], place: Place): ConfigIssue {
  const row = `key ${keyPreview(key)} names ${flagsText(names)}, but the row ${valuePreview(place.value)}`;
  const length = lengthOf(place.value);
  const isRow = isJsonList(place.value);
  return {
    at: place.at,
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
  return isJsonObject(value) ? value.members.length : undefined;
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
