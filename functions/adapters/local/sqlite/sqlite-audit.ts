import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import * as z from 'zod';
import type { Collection, Documents } from '../../../ports/documents.ts';
import type { Clock } from '../../../ports/runtime.ts';
import { openDatabase } from './sqlite-database.ts';
import { asStoreError } from './sqlite-errors.ts';
import { rowOf } from './sqlite-rows.ts';
import { derivedColumns, facetTable, TABLES } from './sqlite-schema.ts';

/** Where the database is. */
export interface AuditOptions {
  readonly path: string;
  readonly clock: Clock;
}

/** A row whose columns do not say what its document says. */
export interface RowFault {
  readonly id: string;
  /** When it was last committed: its version. */
  readonly version: string;
  readonly found: string;
  readonly expected: string;
}

/** Which rows of a collection. */
export interface RowsAsked {
  readonly collection: Collection;
  readonly after: string;
  readonly limit: number;
}

/** What rows say of themselves. */
export interface AuditedRows {
  readonly looked: number;
  readonly last: string | null;
  readonly faults: readonly RowFault[];
}

/** Every collection, in the order of the audit. */
export const AUDITED: readonly Collection[] = Object.values(TABLES).map(
  ({ collection }) => collection,
);

/**
 * What SQLite itself finds wrong with the file, and side tables that do not go with their documents; empty: nothing. In a thread of
 * its own, because reading a large file takes long.
 */
export async function integrityFaults({ path, clock }: AuditOptions): Promise<readonly string[]> {
  // Says what is wrong with the directory in the words of every other command.
  (await openDatabase({ path, clock, readOnly: true })).close();
  const workerData = { path, facetTables: facetCounts() };
  const worker = new Worker(INTEGRITY_SCRIPT, { eval: true, workerData });
  const answer = await new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', (error) => reject(asStoreError(error, path)));
  });
  return z.array(z.string()).parse(answer);
}

/** Rows of a collection behind an id, at most `limit` of them; `last` null: there are no more. */
export async function auditRows(options: AuditOptions, at: RowsAsked): Promise<AuditedRows> {
  const { collection, after, limit } = at;
  const db = await openDatabase({ ...options, readOnly: true });
  try {
    const sql = `SELECT * FROM "${collection}" WHERE "id" > ? ORDER BY "id" LIMIT ?`;
    const rows = db.prepare(sql).all(after, limit);
    const find = facetFinder(db, collection);
    const faults = rows.flatMap((row) => faultOf(collection, row, find) ?? []);
    const last = rows.length < limit ? null : String(rows.at(-1)?.['id']);
    return { looked: rows.length, last, faults };
  } catch (error) {
    throw asStoreError(error, options.path);
  } finally {
    db.close();
  }
}

type SqlRow = Readonly<Record<string, unknown>>;

function faultOf(
  collection: Collection,
  row: SqlRow,
  hasFacet: (facet: string, id: string) => boolean,
): RowFault | undefined {
  const at = { id: String(row['id']), version: String(row['changed_at']) };
  const table = TABLES[collection];
  const value = parsed<Documents[typeof collection]>(row['value']);
  if (value === undefined) return { ...at, found: 'no document', expected: 'JSON' };
  const { derived, facets } = rowOf(table, value);
  const columns = derivedColumns(table).map((name) => name.slice(1, -1));
  const wrong = columns.findIndex((name, index) => row[name] !== derived[index]);
  if (wrong >= 0) {
    const name = columns[wrong] ?? '';
    const found = `column ${name} is ${String(row[name])}`;
    return { ...at, found, expected: `${String(derived[wrong])}, as in its document` };
  }
  const missing = facets.find((facet) => !hasFacet(facet, at.id));
  if (missing === undefined) return undefined;
  return { ...at, found: `it cannot be found by ${missing}`, expected: 'a row for each facet' };
}

function facetFinder(
  db: DatabaseSync,
  collection: Collection,
): (facet: string, id: string) => boolean {
  if (!TABLES[collection].faceted) return () => true;
  const sql = `SELECT 1 FROM ${facetTable(collection)} WHERE "facet" = ? AND "id" = ?`;
  const statement = db.prepare(sql);
  return (facet, id) => statement.get(facet, id) !== undefined;
}

function parsed<T>(json: unknown): T | undefined {
  try {
    // Written by `rowOf` from a document of this collection.
    return JSON.parse(String(json)) as T;
  } catch {
    return undefined;
  }
}

// Facets that their documents have no more would be counted as too many.
function facetCounts(): readonly string[] {
  return Object.values(TABLES)
    .filter(({ faceted }) => faceted)
    .map(
      ({ collection }) =>
        `SELECT '${collection}' AS "name", (SELECT count(*) FROM ${facetTable(collection)}) AS "there",
          (SELECT coalesce(sum(json_array_length("facets")), 0) FROM "${collection}") AS "wanted"`,
    );
}

// Text, because a bundle has no second file to start a thread with. As in openDatabase: where no side files can be made, the file is read as it stands.
const INTEGRITY_SCRIPT = `
const { statSync } = require('node:fs');
const { DatabaseSync } = require('node:sqlite');
const { pathToFileURL } = require('node:url');
const { parentPort, workerData } = require('node:worker_threads');
const { path, facetTables } = workerData;

function audit(db) {
  const told = db.prepare('PRAGMA integrity_check').all().map((row) => String(row.integrity_check));
  const faults = told.filter((line) => line !== 'ok');
  if (faults.length > 0) return faults;
  return facetTables
    .map((sql) => db.prepare(sql).get())
    .filter(({ there, wanted }) => there !== wanted)
    .map(({ name, there, wanted }) => name + ' have ' + there + ' facets, their documents ' + wanted);
}

function read() {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 10000 });
  try {
    return audit(db);
  } catch (error) {
    const wal = statSync(path + '-wal', { throwIfNoEntry: false });
    if (![8, 10, 13, 14].includes(error.errcode & 0xff) || (wal && wal.size > 0)) throw error;
    const whole = new DatabaseSync(new URL(pathToFileURL(path).href + '?immutable=1'), { readOnly: true });
    return audit(whole);
  }
}

parentPort.postMessage(read());
`;
