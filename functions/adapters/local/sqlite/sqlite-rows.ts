import type { SQLInputValue } from 'node:sqlite';
import type { Collection, Documents } from '../../../ports/documents.ts';
import { facetsOf, fieldOf } from '../../../ports/store-rules.ts';
import type { TableSpec } from './sqlite-schema.ts';

/** A document as it is written: its derived columns in the table's order, its facets, and its JSON. */
export interface Row {
  readonly derived: readonly SQLInputValue[];
  readonly facets: readonly string[];
  readonly json: string;
}

/** What is stored of a document. */
export function rowOf(table: TableSpec, value: Documents[Collection]): Row {
  const fields = table.fields.map((field) => bound(fieldOf(value, field)));
  const facets = table.faceted ? [...new Set(facetsOf(value))] : [];
  return {
    derived: table.faceted ? [...fields, JSON.stringify(facets)] : fields,
    facets,
    json: JSON.stringify(value),
  };
}

/** A field or parameter as node:sqlite takes it: it refuses booleans and undefined. Throws TypeError for objects. */
export function bound(value: unknown): SQLInputValue {
  switch (typeof value) {
    case 'string':
    case 'number':
      return value;
    case 'boolean':
      return value ? 1 : 0;
    default:
      if (value === null || value === undefined) return null;
      throw new TypeError(`a ${typeof value} cannot be queried`);
  }
}
