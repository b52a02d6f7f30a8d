import { createHash } from 'node:crypto';
import type { Collection } from '../../../ports/documents.ts';
import { QUERIES, type QueryName, type QuerySpec } from '../../../ports/queries.ts';
import { querySpec } from '../../../ports/store-rules.ts';

/** One index of a table, for one or more queries. */
interface IndexSpec {
  readonly name: string;
  readonly columns: readonly string[];
}

/** One table: a row per document, with a column for each field that a query names. */
export interface TableSpec {
  readonly collection: Collection;
  /** Fields with a column of their own, sorted. */
  readonly fields: readonly string[];
  /** Whether facets can be asked for: then they have a side table. */
  readonly faceted: boolean;
  readonly indexes: readonly IndexSpec[];
}

/** All tables, from the catalogue and the documents no query reads. */
export const TABLES: Readonly<Record<Collection, TableSpec>> = {
  submissions: tableOf('submissions'),
  configs: tableOf('configs'),
  groups: tableOf('groups'),
  experiments: tableOf('experiments'),
  jobs: tableOf('jobs'),
  chunks: tableOf('chunks'),
  lanes: tableOf('lanes'),
  builds: tableOf('builds'),
  counts: tableOf('counts'),
  outbox: tableOf('outbox'),
  syncs: tableOf('syncs'),
};

const CATALOGUE = createHash('sha256')
  .update(JSON.stringify(Object.values(TABLES)))
  .digest('hex');

/**
 * Changes when a table, a column or an index does, and with each version: a database with another one is reshaped when opened, and
 * no longer written by who opened it before.
 */
export function shapeOf(version: number): string {
  return `${version}-${CATALOGUE}`;
}

/** The column of a field; `changedAt` is the store's own. */
export function columnOf(field: string): string {
  return field === 'changedAt' ? '"changed_at"' : `"f_${field}"`;
}

/** The columns that follow from a document's fields, in the order of the table. */
export function derivedColumns({ fields, faceted }: TableSpec): string[] {
  return [...fields.map(columnOf), ...(faceted ? ['"facets"'] : [])];
}

/** The side table of a table's facets. */
export function facetTable(collection: Collection): string {
  return `"${collection}_facets"`;
}

/** Makes the tables of a collection where they are missing. Columns are not added to a table that is there. */
export function createTables(spec: TableSpec): string {
  const { collection, faceted } = spec;
  const columns = [
    '"id" TEXT NOT NULL PRIMARY KEY',
    '"changed_at" INTEGER NOT NULL',
    ...derivedColumns(spec).map((column) => `${column} ANY`),
    // Last, so that reading the other columns does not walk through a big value.
    '"value" TEXT NOT NULL',
  ];
  const table = `CREATE TABLE IF NOT EXISTS "${collection}" (${columns.join(', ')}) STRICT;`;
  if (!faceted) return table;
  return `${table} CREATE TABLE IF NOT EXISTS ${facetTable(collection)} (
    "facet" TEXT NOT NULL, "id" TEXT NOT NULL, PRIMARY KEY ("facet", "id")) STRICT, WITHOUT ROWID;`;
}

/** Makes one index. */
export function createIndex(table: TableSpec, index: IndexSpec): string {
  return `CREATE INDEX "${index.name}" ON "${table.collection}" (${index.columns.join(', ')});`;
}

/**
 * The index that answers a query alone: equalities, order, id; then the optional fields, so that those are
 * filtered without reading the rows.
 */
export function indexOf(spec: QuerySpec): IndexSpec {
  const fields = [...spec.equals, spec.orderBy];
  const optional = spec.optional ?? [];
  return {
    name: ['ix', spec.collection, ...fields, ...optional].join('_'),
    columns: [...fields.map(columnOf), '"id"', ...optional.map(columnOf)],
  };
}

function tableOf(collection: Collection): TableSpec {
  const specs = (Object.keys(QUERIES) as QueryName[])
    .map(querySpec)
    .filter((spec) => spec.collection === collection);
  const named = specs.flatMap(({ equals, optional = [], orderBy }) => [
    ...equals,
    ...optional,
    orderBy,
  ]);
  const indexes = new Map(specs.map((spec) => [indexOf(spec).name, indexOf(spec)]));
  return {
    collection,
    fields: [...new Set(named)].filter((field) => field !== 'changedAt').sort(),
    faceted: specs.some(({ facet }) => facet === true),
    indexes: [...indexes.values()],
  };
}
