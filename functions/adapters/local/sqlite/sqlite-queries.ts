import type { SQLInputValue } from 'node:sqlite';
import type { QueryName, QuerySpec } from '../../../ports/queries.ts';
import type { Cursor, Page } from '../../../ports/store.ts';
import { querySpec } from '../../../ports/store-rules.ts';
import { bound } from './sqlite-rows.ts';
import { columnOf, facetTable, indexOf } from './sqlite-schema.ts';

/** A statement and what is bound to it, in order. */
export interface BoundSql {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** Reads one document more than the page asks for. */
export function listSql(query: QueryName, params: object, page: Page): BoundSql {
  const { sql, values } = behind(query, params, page.after).from('"id", "changed_at", "value"');
  return { sql: `${sql} ${inOrder(query)} LIMIT ?`, values: [...values, page.limit + 1] };
}

/** A stretch of what a query matches: behind a place, if one is given, so many rows at most. */
export interface Stretch {
  readonly after?: Cursor | undefined;
  readonly rows: number;
}

/** Counts what matches, as `count`; with a stretch, which takes twice as long for each row, only that. */
export function countSql(query: QueryName, params: object, stretch?: Stretch): BoundSql {
  if (stretch === undefined)
    return conditionsOf(querySpec(query), params).from('count(*) AS "count"');
  const { sql, values } = behind(query, params, stretch.after).from('1');
  return {
    sql: `SELECT count(*) AS "count" FROM (${sql} LIMIT ?)`,
    values: [...values, stretch.rows],
  };
}

/** Where the last row of a whole stretch is, as `value` and `id`. */
export function endSql(query: QueryName, params: object, { after, rows }: Stretch): BoundSql {
  const order = columnOf(querySpec(query).orderBy);
  const { sql, values } = behind(query, params, after).from(`${order} AS "value", "id"`);
  return { sql: `${sql} ${inOrder(query)} LIMIT 1 OFFSET ?`, values: [...values, rows - 1] };
}

function inOrder(query: QueryName): string {
  const { orderBy, direction } = querySpec(query);
  return `ORDER BY ${columnOf(orderBy)} ${direction}, "id" ${direction}`;
}

function behind(query: QueryName, params: object, after: Cursor | undefined): Conditions {
  const spec = querySpec(query);
  const conditions = conditionsOf(spec, params);
  if (after === undefined) return conditions;
  const comparison = spec.direction === 'asc' ? '>' : '<';
  conditions.add(`(${columnOf(spec.orderBy)}, "id") ${comparison} (?, ?)`, after.value, after.id);
  return conditions;
}

class Conditions {
  readonly #spec: QuerySpec;
  readonly #texts: string[] = [];
  readonly #values: SQLInputValue[] = [];

  constructor(spec: QuerySpec) {
    this.#spec = spec;
  }

  add(text: string, ...values: readonly unknown[]): void {
    this.#texts.push(text);
    this.#values.push(...values.map(bound));
  }

  from(result: string): BoundSql {
    const { collection } = this.#spec;
    // The index is named, so that no statistics and no other index can turn a page into a sort.
    const source = `SELECT ${result} FROM "${collection}" AS d INDEXED BY "${indexOf(this.#spec).name}"`;
    const where = this.#texts.length === 0 ? '' : ` WHERE ${this.#texts.join(' AND ')}`;
    return { sql: source + where, values: this.#values };
  }
}

function conditionsOf(spec: QuerySpec, params: object): Conditions {
  const conditions = new Conditions(spec);
  const given = (name: string): unknown => Reflect.get(params, name);
  for (const field of spec.equals) conditions.add(`${columnOf(field)} = ?`, given(field));
  for (const field of spec.optional ?? []) {
    if (given(field) !== undefined) conditions.add(`${columnOf(field)} = ?`, given(field));
  }
  if (spec.range !== undefined && given('atMost') !== undefined) {
    conditions.add(`${columnOf(spec.orderBy)} <= ?`, given('atMost'));
  }
  if (spec.facet === true && given('facet') !== undefined) {
    const facets = facetTable(spec.collection);
    conditions.add(
      `EXISTS (SELECT 1 FROM ${facets} AS f WHERE f."facet" = ? AND f."id" = d."id")`,
      given('facet'),
    );
  }
  return conditions;
}
