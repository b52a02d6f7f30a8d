import type { Collection } from '../../../ports/documents.ts';
import { derivedColumns, facetTable, TABLES, type TableSpec } from './sqlite-schema.ts';

/** The statements that write one collection. */
export interface WriteSql {
  /** `changed_at`, and where there are any `facets`, of an id. */
  readonly current: string;
  /** Takes id, changed_at, the derived columns and the JSON. */
  readonly put: string;
  readonly remove: string;
  /** Take facet and id; null where the collection has none. */
  readonly addFacet: string | null;
  readonly dropFacet: string | null;
}

/** The statements for a collection. */
export function writeSql(collection: Collection): WriteSql {
  const table = TABLES[collection];
  const { faceted } = table;
  const facets = facetTable(collection);
  return {
    current: `SELECT "changed_at"${faceted ? ', "facets"' : ''} FROM "${collection}" WHERE "id" = ?`,
    put: putSql(table),
    remove: `DELETE FROM "${collection}" WHERE "id" = ?`,
    addFacet: faceted ? `INSERT INTO ${facets} VALUES (?, ?)` : null,
    dropFacet: faceted ? `DELETE FROM ${facets} WHERE "facet" = ? AND "id" = ?` : null,
  };
}

function putSql(table: TableSpec): string {
  const changing = ['"changed_at"', ...derivedColumns(table), '"value"'];
  const marks = changing.map(() => '?').join(', ');
  const updates = changing.map((column) => `${column} = excluded.${column}`).join(', ');
  return `INSERT INTO "${table.collection}" ("id", ${changing.join(', ')}) VALUES (?, ${marks})
    ON CONFLICT ("id") DO UPDATE SET ${updates}`;
}
