import {
  AUDITED,
  type AuditOptions,
  auditRows,
  integrityFaults,
  type RowFault,
} from '../adapters/local/sqlite/sqlite-audit.ts';
import { type CheckStage, unitOf } from '../core/check/check-stage.ts';
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
        let last: string | null = at === 0 ? String(id) : '';
        while (last !== null) {
          const part = { collection, after: last, limit: ROWS };
          const page = await auditRows(options, part);
          last = page.last;
          const look = async () => rowFaults(collection, (await auditRows(options, part)).faults);
          yield {
            place: [collection, last ?? END],
            looked: { documents: page.looked },
            differences: rowFaults(collection, page.faults),
            again: look,
          };
        }
      }
    },
  };
}

// Behind every id.
const END = '\u{10FFFF}';

async function lookAtFile(options: AuditOptions): Promise<readonly Difference[]> {
  return (await integrityFaults(options)).map((found) => ({
    kind: 'database',
    subject: `file ${options.path}`,
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
