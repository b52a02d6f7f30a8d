import { closeSync, openSync } from 'node:fs';
import { openAttemptFiles } from '../../functions/adapters/local/attempts/attempt-files.ts';
import { aSpec } from '../../functions/adapters/local/attempts/attempt-record.ts';
import { runBound } from '../../functions/adapters/local/builds/bound-process.ts';
import { createProcessTable } from '../../functions/adapters/local/process/process-table.ts';
import { createSpawner } from '../../functions/adapters/local/process/spawner.ts';
import { createInterpreterResolver } from '../../functions/adapters/local/python.ts';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { PlatformRefusal } from '../../functions/ports/platform.ts';
import { put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { aPlatformJob } from '../doubles/a-platform-job.ts';
import { systemClock } from '../fixtures/system-clock.ts';

// A process of its own that has few file descriptors: `scarce-child.ts TASK DIRECTORY LEFT`. Does something while only so many are
// left, then once more with the others given back; prints what came of it: `["CODE", "done"]`.

type Task = () => Promise<unknown>;

const signal = new AbortController().signal;

const TASKS: Readonly<Record<string, (directory: string) => Promise<Task>>> = {
  async commit(directory) {
    const store = await openSqliteStore({ path: `${directory}/service.db`, clock: systemClock });
    process.once('exit', () => store.close());
    return () => store.commit([put({ collection: 'jobs', id: 'a' }, aDocument('jobs'))]);
  },
  async attempt(directory) {
    const files = await openAttemptFiles(directory);
    const spec = aSpec(aPlatformJob(), 1, 0);
    return () => files.create(spec, () => true);
  },
  async spawn(directory) {
    const spawner = createSpawner();
    process.once('exit', () => spawner.close());
    const program = { file: '/bin/sh', args: ['-c', 'exit 0'], cwd: directory, env: {} };
    return () => spawner.start(program);
  },
  async build(directory) {
    const output = openSync(`${directory}/log`, 'w');
    return () => runBound(['true'], { cwd: directory, env: {}, output, signal });
  },
  async python() {
    return createInterpreterResolver({ path: process.env['PATH'] });
  },
  async look() {
    const table = createProcessTable('linux');
    return async () => {
      if ((await table.startOf(process.pid)) === null) throw new Error('taken for gone');
    };
  },
};

async function outcomeOf(task: Task): Promise<string> {
  try {
    await task();
    return 'done';
  } catch (error) {
    if (error instanceof PlatformRefusal) return error.kind;
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

const [name = '', directory = '', left = '0'] = process.argv.slice(2);
const make = TASKS[name];
if (make === undefined) throw new Error(`no task ${name}`);
const task = await make(directory);
const held: number[] = [];
try {
  for (;;) held.push(openSync('/dev/null', 'r'));
} catch {
  for (const file of held.splice(0, Number(left))) closeSync(file);
}
const outcomes = [await outcomeOf(task)];
for (const file of held) closeSync(file);
outcomes.push(await outcomeOf(task));
process.stdout.write(JSON.stringify(outcomes));
process.exit();
