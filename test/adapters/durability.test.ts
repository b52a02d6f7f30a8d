import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, type TestContext, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const CHILD = fileURLToPath(new URL('./durability-child.ts', import.meta.url));
const TRACED = 'trace=fsync,fdatasync,sync,syncfs,rename,rmdir';

describe.runIf(hasPart('strace'))('what is told is on the disk', () => {
  test('a commit: the log of the database', async (t) => {
    const { commit } = await tracedSteps(t, 'commit');
    t.expect(commit).toContainEqual(t.expect.stringMatching(/^f(data)?sync service\.db-wal$/));
  });

  test('an attempt: what to run, its name, and that it is live', async (t) => {
    const { create = [], stop = [] } = await tracedSteps(t, 'attempt');
    const named = create.indexOf('rename tmp/job1.1.1 attempts/cc/job1.1');
    t.expect(create.slice(0, named)).toContain('fsync tmp/job1.1.1/spec.json');
    // `attempts/cc` is made for the first attempt in it.
    for (const directory of ['attempts', 'attempts/cc', 'live']) {
      t.expect(create.slice(named + 1)).toContain(`fsync ${directory}`);
    }
    t.expect(stop).toEqual(['fsync attempts/cc/job1.1/stop', 'fsync attempts/cc/job1.1']);
  });

  test('a layer: its bytes as they come, then record and bytes before their names', async (t) => {
    const { begin = [], receive, complete = [] } = await tracedSteps(t, 'layer');
    expectInOrder(t, begin, [
      /^fsync staging\/\w+\.session\.json\.\d+\.tmp$/,
      /^rename \S+ staging\/\w+\.session\.json$/,
      /^fsync staging$/,
    ]);
    t.expect(receive).toEqual([t.expect.stringMatching(/^fdatasync staging\/\w+\.part$/)]);
    expectInOrder(t, complete, [
      /^fsync \.$/,
      /^fsync 6b\/\w+\.json\.\d+\.tmp$/,
      /^rename \S+ 6b\/\w+\.json$/,
      /^fsync 6b$/,
      /^fsync staging\/\w+\.part$/,
      /^rename staging\/\w+\.part 6b\/\w+$/,
      /^fsync 6b$/,
    ]);
  });

  test('a file that is placed, or synced', async (t) => {
    const { place, sync } = await tracedSteps(t, 'file');
    t.expect(place).toEqual(['fsync record.tmp', 'rename record.tmp record', 'fsync .']);
    t.expect(sync).toEqual(['fsync record']);
  });

  test('a backup: everything before it gets its name, then the name', async (t) => {
    const { backup = [] } = await tracedSteps(t, 'backup');
    expectInOrder(t, backup, [
      /^sync$/,
      /^rename \.\.\/backup\.partial-\d+ \.\.\/backup$/,
      /^fsync \.\.$/,
    ]);
  });
});

function expectInOrder(t: TestContext, calls: readonly string[], wanted: readonly RegExp[]): void {
  let from = 0;
  for (const pattern of wanted) {
    const at = calls.findIndex((call, index) => index >= from && pattern.test(call));
    t.expect(at, `${pattern} in ${JSON.stringify(calls.slice(from))}`).toBeGreaterThanOrEqual(0);
    from = at + 1;
  }
}

/** The calls that each step of a task had made, and that had succeeded, when it resolved; paths are relative to its directory. */
async function tracedSteps(t: TestContext, task: string): Promise<Record<string, string[]>> {
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const trace = join(path, 'trace');
  const dir = join(path, 'data');
  // The names of files behind descriptors, all threads and children, whole paths.
  const options = ['-f', '-y', '-s', '4096', '-e', TRACED, '-e', 'signal=none', '-o', trace];
  const words = [...options, process.execPath, CHILD, task, dir];
  await promisify(execFile)('strace', words, { timeout: 120_000 });
  return stepsOf(succeeded(readFileSync(trace, 'utf8')), dir);
}

function stepsOf(calls: readonly string[], dir: string): Record<string, string[]> {
  const steps: Record<string, string[]> = {};
  let name: string | undefined;
  for (const call of calls) {
    const [, kind, marked] = /^rmdir \/mark\/(begin|done)-(\w+)$/.exec(call) ?? [];
    if (kind === 'begin' && marked !== undefined) steps[marked] = [];
    if (kind !== undefined) name = kind === 'begin' ? marked : undefined;
    else if (name !== undefined) steps[name]?.push(relativeTo(dir, call));
  }
  return steps;
}

function relativeTo(dir: string, call: string): string {
  const [name = '', ...paths] = call.split(' ');
  const shown = paths.map((path) => relative(dir, path) || '.');
  return [name, ...shown].join(' ');
}

/** The calls of a trace in the order of their ends, as `NAME PATH...`; of those that failed only the marks. */
function succeeded(trace: string): string[] {
  const begun = new Map<string, string>();
  return trace.split('\n').flatMap((line) => {
    const [, pid = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(pid, rest.slice(0, -'<unfinished ...>'.length).trimEnd());
      return [];
    }
    const whole = rest.replace(/^<\.\.\. \w+ resumed>/, begun.get(pid) ?? '');
    const [, name, given = '', result] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(whole) ?? [];
    if (name === undefined || (result !== '0' && name !== 'rmdir')) return [];
    const paths = [...given.matchAll(/"([^"]*)"|<([^>]*)>/g)];
    return [[name, ...paths.map(([, quoted, named]) => quoted ?? named)].join(' ')];
  });
}
