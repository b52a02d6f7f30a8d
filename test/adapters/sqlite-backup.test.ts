import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'vitest';
import { backupDatabase } from '../../functions/adapters/local/sqlite/sqlite-backup.ts';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { systemClock } from '../fixtures/system-clock.ts';
import { temporaryDirectory } from './temporary-directory.ts';

test('a copy ends although others commit between all its steps, and is of one instant', async (t) => {
  const { path: root, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const from = { path: join(root, 'service.db'), clock: systemClock };
  await fill(from.path);
  const writer = commitAllTheTime(t, from.path);
  await t.expect.poll(() => writer.commits()).toBeGreaterThan(1);
  const before = writer.commits();
  const to = { path: join(root, 'copy.db'), signal: AbortSignal.timeout(20_000) };
  await backupDatabase(from, to);
  const after = writer.commits();
  t.expect(after).toBeGreaterThan(before);
  t.expect(statSync(to.path).mode & 0o777).toBe(0o600);

  const copy = new DatabaseSync(to.path, { readOnly: true });
  t.onTestFinished(() => copy.close());
  t.expect(copy.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  t.expect(copy.prepare('SELECT count(*) AS "n" FROM "configs"').get()).toEqual({ n: 10_000 });
  // Each commit changes a document at the beginning and one at the end of the file.
  const marks = copy.prepare('SELECT DISTINCT "changed_at" AS "n" FROM "configs"').all();
  t.expect(marks.length).toBe(2);
});

test('a copy that is broken off says why', async (t) => {
  const { path: root, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const from = { path: join(root, 'service.db'), clock: systemClock };
  await fill(from.path);
  const signal = AbortSignal.abort(new Error('Ctrl-C'));
  const copying = backupDatabase(from, { path: join(root, 'copy.db'), signal });
  await t.expect(copying).rejects.toThrow('Ctrl-C');
});

/** Many more pages than are copied at once. */
async function fill(path: string): Promise<void> {
  const store = await openSqliteStore({ path, clock: systemClock });
  for (let batch = 0; batch < 20; batch++) {
    await store.commit(
      Array.from({ length: 500 }, (_, i) =>
        put(
          { collection: 'configs', id: `c${String(batch * 500 + i).padStart(5, '0')}` },
          aDocument('configs', { text: 'x'.repeat(2_000) }),
        ),
      ),
    );
  }
  store.close();
  const db = new DatabaseSync(path);
  db.exec('UPDATE "configs" SET "changed_at" = 0');
  db.close();
}

// Another connection, as of another process, that marks the first and the last document again and again.
function commitAllTheTime({ onTestFinished }: Pick<TestContext, 'onTestFinished'>, path: string) {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA synchronous = OFF');
  const mark = db.prepare(
    `UPDATE "configs" SET "changed_at" = ? WHERE "id" IN ('c00000', 'c09999')`,
  );
  let commits = 0;
  const timer = setInterval(() => mark.run(++commits), 1);
  onTestFinished(() => {
    clearInterval(timer);
    db.close();
  });
  return { commits: () => commits };
}
