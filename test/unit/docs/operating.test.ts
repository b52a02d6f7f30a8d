import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { createProcessWatch } from '../../../functions/embedded/process-watch.ts';
import { DIFFERENCE_KINDS } from '../../../shared/api/check.ts';
import { LIMITS } from '../../../shared/api/limits.ts';
import { LOG_LEVELS } from '../../../shared/operating/log-level.ts';
import { createApiBench } from '../../doubles/api-bench.ts';
import { createManualClock } from '../../doubles/manual-clock.ts';
import { parsePrometheus } from '../../doubles/prometheus-parser.ts';

const PAGE = readFileSync(new URL('../../../docs/operating.md', import.meta.url), 'utf8');

const watch = () =>
  createProcessWatch({
    ...{ dataDir: '/', clock: createManualClock() },
    log: { lost: () => 0, failure: () => null },
    outbox: { turnedAt: () => 0 },
    sync: { turnedAt: () => 0 },
  });

test('docs/operating.md has a row for each number of /metrics, with its labels, and none for another', async ({
  expect,
  onTestFinished,
}) => {
  const watching = watch();
  onTestFinished(() => watching.close());
  const { send, deps } = createApiBench({ api: { watch: watching } });
  await send('/metrics');
  const families = parsePrometheus(await (await send('/metrics')).text());
  const [, table = ''] = PAGE.split('| name | labels | meaning |');
  const rows = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| (`.+?) \| (.*?) ?\| .+ \|$/gm)];
  const labelsOf = new Map<string, string[]>();
  for (const [, names = '', labels = ''] of rows) {
    for (const name of ticked(names)) labelsOf.set(name, ticked(labels));
  }
  expect([...labelsOf.keys()].sort()).toEqual([...families.keys()].sort());
  expect(deps.meters.families().length).toBeGreaterThan(5);
  for (const [name, { samples }] of families) {
    const [sample] = samples;
    if (sample === undefined) continue;
    const found = Object.keys(sample.labels).filter((label) => label !== 'le');
    expect(found.sort(), name).toEqual(labelsOf.get(name)?.sort());
  }
});

test('docs/operating.md names every part of readiness, and the limits as they are', ({
  expect,
  onTestFinished,
}) => {
  const watching = watch();
  onTestFinished(() => watching.close());
  const [, table = ''] = PAGE.split('| part | not ready when | what to do |');
  const parts = [...table.matchAll(/^\| `(.+?)` \| /gm)].map(([, part]) => part).slice(0, 5);
  expect(parts).toEqual(['store', ...watching.checks.map(({ part }) => part)]);
  expect(PAGE).toContain(`takes longer than ${LIMITS.storeReadMs / 1_000} s`);
  expect(PAGE).toContain(`more than ${LIMITS.loopTurnMs / 1_000} s ago`);
  expect(PAGE).toContain(`less than ${LIMITS.freeBytes / 1024 ** 2} MiB free`);
  expect(PAGE).toContain(
    `less than ${LIMITS.firstUploadBytes / 1024 ** 3} GiB free where the data is`,
  );
  expect(PAGE).toContain(`At ${LIMITS.logBytes / 1024 ** 2} MiB the file is put aside`);
  const gibibytes = LIMITS.jobLogBytes / 1024 ** 3;
  expect(PAGE).toContain(`The log of one attempt of a job has at most ${gibibytes} GiB.`);
  expect(PAGE).toContain(`at most ${2 * gibibytes} GiB, counted`);
  expect(PAGE).toContain(
    `at most ${LIMITS.jobProcesses.toLocaleString('en')} processes and threads`,
  );
  const files = LIMITS.jobFiles.toLocaleString('en');
  const most = `${LIMITS.jobFilesBytes / 1024 ** 3} GiB`;
  expect(PAGE).toContain(`At most ${most} and ${files} files, directories and links`);
  expect(PAGE).toContain(`they are more than ${most}]`);
  expect(PAGE).toContain(`\`than ${files} files\``);
  expect(PAGE).toContain(`--log_level ${LOG_LEVELS.join('|')}`);
});

function ticked(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, each = '']) => each);
}

test('docs/operating.md has a row for each kind of difference, and none for another', ({
  expect,
}) => {
  const section = PAGE.split('## Check\n')[1]?.split('\n## ')[0] ?? '';
  const rows = Array.from(section.matchAll(/^\| `([a-z]+)` \| \S.* \|$/gm), ([, kind]) => kind);
  expect(rows.toSorted()).toEqual([...DIFFERENCE_KINDS].toSorted());
});
