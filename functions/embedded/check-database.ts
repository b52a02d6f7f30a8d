import {
  AUDITED,
  type AuditedRows,
  type AuditOptions,
  auditRows,
  integrityFaults,
  type RowFault,
  type RowsAsked,
} from '../adapters/local/sqlite/sqlite-audit.ts';
import { type CheckStage, type CheckUnit, unitOf } from '../core/check/check-stage.ts';
import { damageOf } from '../core/check/damage.ts';
import { type Difference, LOST } from '../core/check/difference.ts';
import type { Collection } from '../ports/documents.ts';

const ROWS = 500;

/** The database as a file: sound to its last page, and what is derived from its documents says the same as they do. */
export function databaseStage(options: AuditOptions): CheckStage {
  return {
    name: 'database',
    async *units(after) {
      if (after === null) yield await unitOf(['', ''], {}, () => lookAtFile(options));
      const [name = '', id = ''] = after ?? [];
      const from = Math.max(0, AUDITED.map(String).indexOf(String(name)));
      for (const [at, collection] of AUDITED.slice(from).entries()) {
        yield* collectionUnits(options, collection, at === 0 ? String(id) : '');
      }
    },
  };
}

async function* collectionUnits(
  options: AuditOptions,
  collection: Collection,
  id: string,
): AsyncIterable<CheckUnit> {
  let last: string | null = id;
  while (last !== null) {
    const part: RowsAsked = { collection, after: last, limit: ROWS };
    const page: AuditedRows | Difference = await auditRows(options, part).catch(
      unreadable(collection),
    );
    if ('kind' in page) {
      yield await unitOf([collection, END], {}, async () => [page]);
      return;
    }
    const look = async () => rowFaults(collection, (await auditRows(options, part)).faults);
    last = page.last;
    yield {
      place: [collection, last ?? END],
      looked: { documents: page.looked },
      differences: rowFaults(collection, page.faults),
      again: look,
    };
  }
}

// One collection that cannot be read to its end hides no other.
function unreadable(collection: Collection): (error: unknown) => Difference {
  return (error) => damageOf(error, `rows of ${collection}`);
}

// Behind every id.
const END = '\u{10FFFF}';

async function lookAtFile(options: AuditOptions): Promise<readonly Difference[]> {
  const file = `file ${options.path}`;
  const faults = await integrityFaults(options).catch((error: unknown) => damageOf(error, file));
  if ('kind' in faults) return [faults];
  return faults.map((found) => ({
    kind: 'database',
    subject: file,
    ids: {},
    found,
    expected: 'a sound database',
    fix: LOST,
    basis: [],
  }));
}

function rowFaults(collection: Collection, faults: readonly RowFault[]): readonly Difference[] {
  return faults.map(({ id, version, found, expected }) => ({
    kind: 'database',
    subject: `row ${collection}/${id}`,
    ids: { collection, id },
    found,
    expected,
    fix: LOST,
    basis: [`${collection}/${id}@${version}`],
  }));
}
