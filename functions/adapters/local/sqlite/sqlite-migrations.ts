import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Collection, Documents } from '../../../ports/documents.ts';
import { rowOf } from './sqlite-rows.ts';
import {
  createIndex,
  createTables,
  derivedColumns,
  facetTable,
  shapeOf,
  TABLES,
  type TableSpec,
} from './sqlite-schema.ts';

type DatabaseState = 'empty' | 'other-shape' | 'current';

/** Which file, for messages, and what it has to be brought to. */
export interface Wanted {
  readonly path: string;
  readonly migrations: readonly string[];
}

/**
 * Statements that bring a database from one version to the next; each raises user_version by one, and none is edited once released.
 * What the catalogue names is no migration: see reshape.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE "meta" ("one" INTEGER PRIMARY KEY CHECK ("one" = 1),
     "shape" TEXT NOT NULL, "changed_at" INTEGER NOT NULL) STRICT;
   INSERT INTO "meta" VALUES (1, '', 0);`,
];

const BATCH = 500;

/**
 * Whether the database is as this build needs it; writes nothing. Throws AppError SCHEMA_TOO_NEW for one of a newer
 * caliban, DATA_DIR_UNUSABLE for one of another program.
 */
export function inspectDatabase(db: DatabaseSync, { path, migrations }: Wanted): DatabaseState {
  const { version, tables } = readVersion(db);
  if (version > migrations.length) {
    throw new AppError(
      'SCHEMA_TOO_NEW',
      `${path} has version ${version}; this caliban knows ${migrations.length}`,
      { hint: 'Use the caliban that made it, or a newer one.' },
    );
  }
  if (version === 0 && tables > 0) {
    throw new AppError('DATA_DIR_UNUSABLE', `${path} is a database of another program`, {
      hint: 'Move it away, or name another directory with --data_dir.',
    });
  }
  if (version === 0) return 'empty';
  return readShape(db) === shapeOf(migrations.length) ? 'current' : 'other-shape';
}

/** Brings the database to what this build needs. Must run inside a transaction. */
export function migrateDatabase(db: DatabaseSync, wanted: Wanted): void {
  // Asked again: another process may have done it while this one waited for its turn.
  if (inspectDatabase(db, wanted) === 'current') return;
  const { migrations } = wanted;
  for (const migration of migrations.slice(readVersion(db).version)) db.exec(migration);
  db.exec(`PRAGMA user_version = ${migrations.length}`);
  for (const table of Object.values(TABLES)) reshape(db, table);
  db.prepare('UPDATE "meta" SET "shape" = ?').run(shapeOf(migrations.length));
}

/** The shape the database was given last. */
export function readShape(db: DatabaseSync): unknown {
  return db.prepare('SELECT "shape" FROM "meta"').get()?.['shape'];
}

/** Adds what the catalogue names and the table lacks; the documents' JSON is the truth, columns follow from it. */
function reshape(db: DatabaseSync, table: TableSpec): void {
  const { collection, indexes } = table;
  db.exec(createTables(table));
  const columns = db.prepare('SELECT name FROM pragma_table_info(?)').all(collection);
  const present = new Set(columns.map(({ name }) => `"${name}"`));
  for (const column of derivedColumns(table)) {
    if (!present.has(column)) db.exec(`ALTER TABLE "${collection}" ADD COLUMN ${column} ANY`);
  }
  const old = `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL`;
  for (const { name } of db.prepare(old).all(collection)) db.exec(`DROP INDEX "${name}"`);
  refill(db, table);
  for (const index of indexes) db.exec(createIndex(table, index));
}

function refill(db: DatabaseSync, table: TableSpec): void {
  const { collection, faceted } = table;
  const updates = derivedColumns(table).map((column) => `${column} = ?`);
  if (updates.length === 0) return;
  const update = db.prepare(`UPDATE "${collection}" SET ${updates.join(', ')} WHERE "id" = ?`);
  if (faceted) db.exec(`DELETE FROM ${facetTable(collection)}`);
  const addFacet = faceted
    ? db.prepare(`INSERT INTO ${facetTable(collection)} VALUES (?, ?)`)
    : undefined;
  for (const { id, value } of allDocuments(db, collection)) {
    const row = rowOf(table, value);
    update.run(...row.derived, id);
    for (const facet of row.facets) addFacet?.run(facet, id);
  }
}

/** Every document, a batch at a time; the caller may update those it was given. */
function* allDocuments(db: DatabaseSync, collection: Collection) {
  const read = db.prepare(
    `SELECT "id", "value" FROM "${collection}" WHERE "id" > ? ORDER BY "id" LIMIT ${BATCH}`,
  );
  for (let last = '', rows = read.all(last); rows.length > 0; rows = read.all(last)) {
    for (const { id, value } of rows) {
      last = String(id);
      yield { id: last, value: JSON.parse(String(value)) as Documents[typeof collection] };
    }
  }
}

// One statement, so that another process cannot make the tables between two answers.
function readVersion(db: DatabaseSync) {
  const sql = `SELECT (SELECT user_version FROM pragma_user_version) AS "version", count(*) AS "tables"
    FROM sqlite_schema`;
  const row = db.prepare(sql).get();
  return { version: Number(row?.['version']), tables: Number(row?.['tables']) };
}
