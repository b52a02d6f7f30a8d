import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { startOneMachine } from '../test/doubles/one-machine.ts';

/**
 * Makes a data directory as a service of this version leaves it when the machine loses its power, for tests of later versions:
 * `node scripts/data-dir-fixture.ts test/fixtures/data-dirs/NAME`. Run it once before a change of what is stored, and commit what it made.
 *
 * - group `done`: three jobs succeeded, one failed with status 7, and settled counts;
 * - group `stopped`: two jobs, stopped;
 * - group `waiting`: one job that ran, and two that wait.
 */
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('say where to');
const scratch = mkdtempSync(join(tmpdir(), 'caliban-fixture-'));
const dataDir = join(scratch, 'data');
const ends: (() => Promise<void>)[] = [];
const service = await startOneMachine((end) => ends.push(end), dataDir, { slots: 1 });

await submit('done', { count: 4, script: 'echo "n is $2"; [ "$2" != 3 ] || exit 7' });
await service.until(4, 'SUCCEEDED', 'FAILED');
await service.send('/v1/groups/done');
await submit('stopped', { count: 2, script: 'sleep 600' });
await service.until(1, 'RUNNING');
await service.send('/v1/groups/stopped/stop', {});
await service.until(2, 'STOPPED');
await submit('waiting', { count: 3, script: '[ "$2" != 0 ] || sleep 600; echo "n is $2"' });
await service.until(1, 'RUNNING');
await service.kill();
endPrograms();
keep(target);
rmSync(scratch, { recursive: true });

async function submit(group: string, sweep: { readonly count: number; readonly script: string }) {
  const changes = { group, labels: { from: 'fixture' } };
  const answer = await service.submit({ ...sweep, key: group, changes });
  if (answer.status !== 202) throw new Error(await answer.text());
}

// Whoever opens the directory must see another boot: no process of this one may ever be taken for a program of it.
function endPrograms(): void {
  for (const ref of readdirSync(join(dataDir, 'process', 'live'))) {
    const attempt = attemptOf(ref);
    const started = join(attempt, 'started');
    const [pid, start] = readFileSync(started, 'utf8').split('\n');
    if (!existsSync(join(attempt, 'end.json'))) process.kill(-Number(pid), 'SIGKILL');
    writeFileSync(started, `${pid}\n${start}\n00000000-0000-4000-8000-000000000000\n`);
  }
}

function attemptOf(ref: string): string {
  const attempts = join(dataDir, 'process', 'attempts');
  const found = readdirSync(attempts, { recursive: true, encoding: 'utf8' });
  return join(attempts, found.find((path) => path.endsWith(`/${ref}`)) ?? '');
}

function keep(directory: string): void {
  const database = new DatabaseSync(join(dataDir, 'service.db'));
  database.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; VACUUM');
  database.close();
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const part of ['service.db', 'layers', 'process/attempts', 'process/live']) {
    cpSync(join(dataDir, part), join(directory, part), { recursive: true });
  }
}
