import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { type GroupView, groupsPage } from '../../shared/api/groups.ts';
import { experimentsPage, jobDetail } from '../../shared/api/jobs.ts';
import { submissionView } from '../../shared/api/submissions.ts';
import { caliban, type OneMachine, startOneMachine } from '../doubles/one-machine.ts';
import { temporaryDirectory } from './temporary-directory.ts';

// Made by scripts/data-dir-fixture.ts with the sources of each version; see the README there.
const STORED = fileURLToPath(new URL('../fixtures/data-dirs', import.meta.url));
const VERSIONS = readdirSync(STORED).filter((name) => /^v\d+$/.test(name));

test('there are stored data directories', ({ expect }) => {
  expect(VERSIONS).toContain('v1');
});

describe.for(VERSIONS)('the data directory %s', (version) => {
  test('shows all it knew', async (t) => {
    const service = await served(t, version);
    // What waits begins to move at once.
    t.expect(await groups(service)).toMatchObject({
      done: { SUCCEEDED: 3, FAILED: 1, total: 4 },
      stopped: { STOPPED: 2, total: 2 },
      waiting: { total: 3 },
    });
    for (const job of await jobsOf(service, 'done')) {
      const n = job.flags[1];
      t.expect(job.history.map(({ to }) => to).at(0)).toBe('QUEUED');
      t.expect([job.state, job.exitCode]).toEqual(n === '3' ? ['FAILED', 7] : ['SUCCEEDED', 0]);
      t.expect(await logOf(service, job.id)).toBe(`n is ${n}\n`);
    }
    for (const job of await jobsOf(service, 'stopped')) {
      t.expect(job.cause.code).toBe('stop-requested');
      const answer = await service.send(`/v1/submissions/${job.submissionId}`);
      t.expect(submissionView.parse(await answer.json()).jobs).toBe(2);
    }
    t.expect(await found(service, 'label:from=fixture')).toBe(4);
    t.expect(await found(service, 'flag:n=2')).toBe(1);
  });

  test('goes on where it was, and takes more', async (t) => {
    const service = await served(t, version);
    await t.expect
      .poll(() => groups(service), { timeout: 60_000 })
      .toMatchObject({ waiting: { SUCCEEDED: 2, FAILED: 1 } });
    const [killed, ...ran] = await jobsOf(service, 'waiting');
    t.expect(killed?.cause.code).toBe('machine-restarted');
    for (const job of ran) t.expect(await logOf(service, job.id)).toBe(`n is ${job.flags[1]}\n`);

    // Whoever made the fixture need not be who runs the test.
    const { owner } = await groupNamed(service, 'done');
    const changes = { group: `${owner}/done` };
    const again = { script: 'echo "again $2"', count: 5, key: 'new', changes };
    t.expect((await service.submit(again)).status).toBe(202);
    await t.expect
      .poll(() => groups(service), { timeout: 60_000 })
      .toMatchObject({ done: { SUCCEEDED: 8, FAILED: 1 } });
    // The four experiments are known already.
    t.expect(await found(service, 'flag:n=2')).toBe(1);

    const check = ['admin', 'check', '--layers', '--data_dir', service.dataDir];
    t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
    await service.stop();
    t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
  });
});

async function served(t: TestContext, version: string): Promise<OneMachine> {
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const dataDir = join(path, 'data');
  cpSync(join(STORED, version), dataDir, { recursive: true });
  return startOneMachine(t.onTestFinished, dataDir);
}

/** Counts by group: of ended jobs, and of all. */
async function groups(service: OneMachine): Promise<Record<string, Record<string, number>>> {
  return Object.fromEntries(
    (await allGroups(service)).map(({ name, counts }) => {
      const { SUCCEEDED, FAILED, STOPPED, total } = counts;
      return [name, { SUCCEEDED, FAILED, STOPPED, total }];
    }),
  );
}

async function allGroups(service: OneMachine): Promise<readonly GroupView[]> {
  const answer = await service.send('/v1/groups?owner=*');
  return groupsPage.parse(await answer.json()).groups;
}

async function groupNamed(service: OneMachine, name: string): Promise<GroupView> {
  const group = (await allGroups(service)).find((each) => each.name === name);
  if (group === undefined) throw new Error(`no group ${name}`);
  return group;
}

async function jobsOf(service: OneMachine, group: string) {
  const answer = await service.send(`/v1/groups/${(await groupNamed(service, group)).id}/jobs`);
  const { jobs } = z
    .object({ jobs: z.array(z.object({ id: z.string() })) })
    .parse(await answer.json());
  const details = jobs.map(async ({ id }) =>
    jobDetail.parse(await (await service.send(`/v1/jobs/${id}`)).json()),
  );
  return Promise.all(details);
}

async function logOf(service: OneMachine, jobId: string): Promise<string> {
  return (await service.send(`/v1/jobs/${jobId}/logs`)).text();
}

/** How many experiments of the group `done` have a facet. */
async function found(service: OneMachine, facet: string): Promise<number> {
  const query = `facet=${encodeURIComponent(facet)}`;
  const { id } = await groupNamed(service, 'done');
  const answer = await service.send(`/v1/groups/${id}/experiments?${query}`);
  return experimentsPage.parse(await answer.json()).experiments.length;
}
