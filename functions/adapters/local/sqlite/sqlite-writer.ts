import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Collection } from '../../../ports/documents.ts';
import type { Key } from '../../../ports/store.ts';
import type { Row } from './sqlite-rows.ts';
import { derivedColumns, facetTable, TABLES, type TableSpec } from './sqlite-schema.ts';

/** What a commit must know of a document it replaces. */
export interface Current {
  readonly changedAt: number;
  readonly facets: readonly string[];
}

/** The statements that read and write one collection, inside a transaction. */
export class SqliteWriter {
  readonly #current: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #addFacet: StatementSync | undefined;
  readonly #deleteFacet: StatementSync | undefined;

  constructor(db: DatabaseSync, collection: Collection) {
    const table = TABLES[collection];
    const facets = facetTable(collection);
    this.#current = db.prepare(
      `SELECT "changed_at"${table.faceted ? ', "facets"' : ''} FROM "${collection}" WHERE "id" = ?`,
    );
    this.#put = db.prepare(putSql(table));
    this.#delete = db.prepare(`DELETE FROM "${collection}" WHERE "id" = ?`);
    if (table.faceted) {
      this.#addFacet = db.prepare(`INSERT INTO ${facets} VALUES (?, ?)`);
      this.#deleteFacet = db.prepare(`DELETE FROM ${facets} WHERE "facet" = ? AND "id" = ?`);
    }
  }

  current(key: Key): Current | undefined {
    const row = this.#current.get(key.id);
    if (row === undefined) return undefined;
    const facets = row['facets'];
    return {
      changedAt: Number(row['changed_at']),
      facets: typeof facets === 'string' ? JSON.parse(facets) : [],
    };
  }

  put(key: Key, row: Row, change: { readonly current: Current | undefined; readonly at: number }) {
    this.#put.run(key.id, change.at, ...row.derived, row.json);
    this.#changeFacets(key, change.current?.facets ?? [], row.facets);
  }

  delete(key: Key, current: Current | undefined): void {
    this.#delete.run(key.id);
    this.#changeFacets(key, current?.facets ?? [], []);
  }

  #changeFacets(key: Key, before: readonly string[], after: readonly string[]): void {
    for (const facet of before) if (!after.includes(facet)) this.#deleteFacet?.run(facet, key.id);
    for (const facet of after) if (!before.includes(facet)) this.#addFacet?.run(facet, key.id);
  }
}

function putSql(table: TableSpec): string {
  const changing = ['"changed_at"', ...derivedColumns(table), '"value"'];
  const marks = changing.map(() => '?').join(', ');
  const updates = changing.map((column) => `${column} = excluded.${column}`).join(', ');
  return `INSERT INTO "${table.collection}" ("id", ${changing.join(', ')}) VALUES (?, ${marks})
    ON CONFLICT ("id") DO UPDATE SET ${updates}`;
}
