import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { LOG_CURSOR_HEADER } from '../../../functions/api/log-cursor-header.ts';
import { groupsPage } from '../../../shared/api/groups.ts';
import { jobsPage } from '../../../shared/api/jobs.ts';
import { type SubmissionSpec, submissionView } from '../../../shared/api/submissions.ts';
import { aSpec } from '../../doubles/a-spec.ts';
import { aFile, aLayer, aTar } from '../../doubles/tar-builder.ts';
import { type Answer, type HostileService, TOKEN } from '../hostile/hostile-service.ts';

/** What is to be found in a service. */
export interface Content {
  readonly owner: string;
  /** Groups with jobs, by every kind of reference. */
  readonly groups: readonly string[];
  readonly submissions: readonly string[];
  readonly jobs: readonly string[];
  /** A job that printed something and has ended, and a place in its log. */
  readonly logged: { readonly job: string; readonly place: string };
  readonly builds: readonly string[];
  readonly codeLayer: string;
  /** Layers in every state. */
  readonly layers: readonly string[];
  /** Content-Range headers that suit the layer which is only declared. */
  readonly ranges: readonly string[];
  /** Places in lists, by the type they are ordered by: a place in one is one in all others. */
  readonly cursors: { readonly number: string; readonly text: string };
}

const SWEEP = 'lr-sweep';
const LONGEST_WAIT_MS = 120_000;
const LOOK_MS = 50;
const anId = z.object({ id: z.string() });

/**
 * Gives a service something to be found: groups with jobs that succeeded and failed, a log, a build, and layers that
 * were verified, sent and declared. Every job has ended when it is done.
 */
export async function addContent(service: HostileService): Promise<Content> {
  const { files, layers, ranges } = await sendLayers(service);
  const dependencies = { ...aSpec().dependencies, layer: files, requirements: 'deps.txt' };
  const submissions = [
    await accepted(service, SWEEP, {
      ...{ command: ['python3', 'train.py'], config: '{"lr": [0.1, 0.2], "steps": 5}' },
      labels: { team: 'vision' },
    }),
    await accepted(service, 'broken', { command: ['false'], name: 'breaks' }),
    await accepted(service, 'with-build', { command: ['true'], dependencies }),
  ];
  for (const id of submissions) await ended(service, id);
  const { jobs } = await page(service, '/v1/jobs', jobsPage);
  const [sweep] = jobs.filter(({ group }) => group.name === SWEEP);
  if (sweep === undefined) throw new Error('the sweep has no job');
  const { owner } = sweep.group;
  return {
    ...{ owner, submissions, ranges },
    groups: [SWEEP, 'broken', sweep.group.id, `${owner}/${SWEEP}`],
    jobs: jobs.map(({ id }) => id),
    logged: { job: sweep.id, place: await placeInLog(service, sweep.id) },
    builds: buildIds(service.dataDir),
    codeLayer: service.codeLayer,
    layers: [service.codeLayer, ...layers],
    cursors: {
      number: nextOf(await page(service, '/v1/groups?limit=1', groupsPage)),
      text: nextOf(await page(service, '/v1/jobs?limit=1', jobsPage)),
    },
  };
}

/** Layers besides the code: one verified, one refused, one whose bytes are all here, one only declared. */
async function sendLayers({ upload, declare, put }: HostileService) {
  const files = aLayer(aTar(aFile('deps.txt', '# nothing to install\n')));
  const refused = aLayer(aTar(aFile('usr/app/../out.py')));
  const whole = aLayer(aTar(aFile('usr/app/whole.py')));
  const declared = aLayer(aTar(aFile('usr/app/declared.py')));
  expectStatus(await upload(files), 200);
  expectStatus(await upload(refused), 422);
  expectStatus(await declare(whole), 200);
  expectStatus(await declare(declared), 200);
  const { diffId, blobSize } = whole.declaration;
  expectStatus(await put(diffId, `bytes 0-${blobSize - 1}/${blobSize}`, whole.blob), 200);
  const total = declared.declaration.blobSize;
  return {
    files: files.declaration.diffId,
    layers: [files, refused, whole, declared].map(({ declaration }) => declaration.diffId),
    ranges: [`bytes */${total}`, `bytes 0-0/${total}`, `bytes 0-${total - 1}/${total}`],
  };
}

async function accepted(
  service: HostileService,
  group: string,
  changes: Partial<SubmissionSpec>,
): Promise<string> {
  const spec = aSpec({ codeLayers: [service.codeLayer], group, ...changes });
  const answer = await service.request('POST', '/v1/submissions', {
    body: JSON.stringify(spec),
    headers: { 'Idempotency-Key': group },
  });
  return anId.parse(parsed(answer, 202)).id;
}

async function ended(service: HostileService, id: string): Promise<void> {
  const until = Date.now() + LONGEST_WAIT_MS;
  for (;;) {
    const { done } = await page(service, `/v1/submissions/${id}`, submissionView);
    if (done) return;
    if (Date.now() > until) throw new Error(`submission ${id} does not end`);
    await sleep(LOOK_MS);
  }
}

async function placeInLog({ address }: HostileService, id: string): Promise<string> {
  const answer = await fetch(`${address}/v1/jobs/${id}/logs`, {
    headers: { Authorization: `Bearer ${TOKEN}` },
  });
  await answer.text();
  const place = answer.headers.get(LOG_CURSOR_HEADER);
  if (place === null) throw new Error(`no place in the log of ${id}`);
  return place;
}

/** No route names a build; its id is in the store. */
function buildIds(dataDir: string): string[] {
  const database = new DatabaseSync(join(dataDir, 'service.db'), { readOnly: true });
  try {
    return z
      .array(anId)
      .parse(database.prepare('SELECT id FROM builds').all())
      .map(({ id }) => id);
  } finally {
    database.close();
  }
}

async function page<S extends z.ZodType>(
  service: HostileService,
  path: string,
  schema: S,
): Promise<z.infer<S>> {
  return schema.parse(parsed(await service.request('GET', path), 200));
}

function nextOf({ next }: { readonly next: string | null }): string {
  if (next === null) throw new Error('the list has one page only');
  return next;
}

function parsed(answer: Answer, status: number): unknown {
  expectStatus(answer, status);
  return JSON.parse(answer.text);
}

function expectStatus({ status, text }: Answer, expected: number): void {
  if (status !== expected) throw new Error(`got ${status}, not ${expected}: ${text}`);
}
