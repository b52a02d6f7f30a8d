import type { SQLInputValue } from 'node:sqlite';
import type { QueryName, QuerySpec } from '../../../ports/queries.ts';
import type { Page } from '../../../ports/store.ts';
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
  const spec = querySpec(query);
  const order = columnOf(spec.orderBy);
  const conditions = conditionsOf(spec, params);
  if (page.after !== undefined) {
    const comparison = spec.direction === 'asc' ? '>' : '<';
    conditions.add(`(${order}, "id") ${comparison} (?, ?)`, page.after.value, page.after.id);
  }
  const { sql, values } = conditions.from('"id", "changed_at", "value"');
  return {
    sql: `${sql} ORDER BY ${order} ${spec.direction}, "id" ${spec.direction} LIMIT ?`,
    values: [...values, page.limit + 1],
  };
}

/** Counts what matches, as `count`. */
export function countSql(query: QueryName, params: object): BoundSql {
  return conditionsOf(querySpec(query), params).from('count(*) AS "count"');
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
