/**
 * A JSON value with Python's kinds of numbers: an `integer` keeps its digits as text (of any length),
 * a JavaScript number is always a float, infinite after an overflow, never NaN.
 */
export type JsonValue = null | boolean | string | number | JsonInteger | JsonList | JsonObject;

/** An integer of any size. `digits` is canonical: no leading zeros, no `-0`. */
export interface JsonInteger {
  readonly kind: 'integer';
  readonly digits: string;
}

/** A list, and where in the text it starts (`itemOffsets` finds its items). */
export interface JsonList {
  readonly kind: 'list';
  readonly items: readonly JsonValue[];
  readonly offset: number;
}

/** An object in the order of the text; of repeated keys the first position and the last value. */
export interface JsonObject {
  readonly kind: 'object';
  /** Each key once. */
  readonly members: readonly JsonMember[];
}

/** One key with its value, and where in the text both start (UTF-16 offsets, for messages). */
export interface JsonMember {
  readonly key: string;
  readonly value: JsonValue;
  readonly keyOffset: number;
  readonly valueOffset: number;
}

/** A parsed text: its one value, and where that starts. */
export interface JsonDocument {
  readonly text: string;
  readonly root: JsonValue;
  readonly rootOffset: number;
}

/** Whether the value is a list. */
export function isJsonList(value: JsonValue | undefined): value is JsonList {
  return typeof value === 'object' && value !== null && value.kind === 'list';
}

/** Whether the value is an object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && value.kind === 'object';
}
