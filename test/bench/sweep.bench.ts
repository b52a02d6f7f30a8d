import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { aSpec } from '../doubles/a-spec.ts';
import { type BenchService, startIdle, startService, type Vitals } from './bench-service.ts';
import { ms, quantile, report, timed } from './measure.ts';
import { sizes } from './sizes.ts';

// A large sweep is accepted, expanded and drained while many read: how long the event loop stands still at most, how long
// readers wait, and how much memory the service takes. `--drain=1` goes on until the last job has ended.
const { jobs, readers, slots, seconds, drain } = sizes({
  ...{ jobs: 100_000, readers: 8, slots: 2 },
  /** How long it is watched once everything is expanded. */
  ...{ seconds: 10, drain: 0 },
});
const MB = 1024 ** 2;
const submissionSchema = z.object({ expanded: z.boolean(), done: z.boolean() });

interface Phase {
  readonly name: string;
  readonly ms: number;
  readonly vitals: Vitals;
  readonly idle: Vitals;
  readonly waits: readonly number[];
}

function config(): string {
  const root = Math.ceil(Math.sqrt(jobs));
  const values = (count: number) => Array.from({ length: count }, (_, i) => i);
  return JSON.stringify({ lr: values(root), seed: values(Math.ceil(jobs / root)) });
}

function startReaders(service: BenchService) {
  const ending = new AbortController();
  let waits: number[] = [];
  const paths = [
    '/v1/groups',
    '/v1/groups/sweep',
    '/v1/groups/sweep/jobs?limit=100',
    '/v1/groups/sweep/jobs?limit=100&state=QUEUED',
    '/v1/groups/sweep/experiments?limit=20',
    '/v1/jobs?limit=100',
  ];
  const readOn = async (reader: number): Promise<void> => {
    for (let turn = reader; !ending.signal.aborted; turn++) {
      const path = paths[turn % paths.length] ?? '/v1/groups';
      waits.push(await timed(() => service.get(path)));
      await sleep(50);
    }
  };
  const events = async (): Promise<void> => {
    const { signal } = ending;
    const { address, headers } = service;
    const answer = await fetch(`${address}/v1/groups/sweep/events`, { headers, signal });
    for await (const _ of answer.body ?? []) signal.throwIfAborted();
  };
  const followers = Array.from({ length: Math.ceil(readers / 4) }, () =>
    events().catch((error: unknown) => {
      if (!ending.signal.aborted) throw error;
    }),
  );
  const running = [...Array.from({ length: readers }, (_, i) => readOn(i)), ...followers];
  return {
    take() {
      const taken = waits;
      waits = [];
      return taken;
    },
    async end() {
      ending.abort();
      await Promise.all(running);
    },
  };
}

async function until(met: () => Promise<boolean>): Promise<void> {
  while (!(await met())) await sleep(200);
}

function show({ name, vitals, idle, waits, ...phase }: Phase): void {
  const worst = vitals.stalls.toSorted((a, b) => b.ms - a.ms)[0] ?? { ms: 0, cpuMs: 0 };
  const busiest = Math.max(0, ...vitals.stalls.map(({ cpuMs }) => cpuMs));
  const over = vitals.stalls.filter((stall) => stall.ms > 100).length;
  const noise = Math.max(0, ...idle.stalls.map((stall) => stall.ms));
  report({
    what: `longest event-loop stall while ${jobs.toLocaleString('en')} jobs are ${name} (\`sweep\`)`,
    ratio: worst.ms / 100,
    target: '≤ 1 (100 ms)',
    measured: [
      `${ms(worst.ms)} (at most ${ms(busiest)} of computing), ${over} over 100 ms, in ${ms(phase.ms)}`,
      `${readers} readers wait ${ms(quantile(waits, 0.5))}, 99 % up to ${ms(quantile(waits, 0.99))}`,
    ].join('; '),
    baseline: `100 ms; a process that does nothing meanwhile: ${ms(noise)}`,
  });
}

const service = await startService({ slots });
const idle = await startIdle();
try {
  const layer = await service.upload({ 'job.sh': 'echo "$@"\n' });
  const before = await service.vitals();
  const spec = aSpec({
    ...{ module: 'job.sh', scriptPath: 'job.sh', command: ['sh', 'job.sh'] },
    ...{ codeLayers: [layer], config: config() },
  });
  const submission = await service.submit(spec);
  const look = async () =>
    submissionSchema.parse(await service.get(`/v1/submissions/${submission}`));
  const load = startReaders(service);
  const phase = async (name: string, body: () => Promise<void>): Promise<Phase> => {
    await idle.vitals();
    load.take();
    const took = await timed(body);
    const phased = { name, ms: took, waits: load.take() };
    return { ...phased, vitals: await service.vitals(), idle: await idle.vitals() };
  };
  const expanded = await phase('expanded', () => until(async () => (await look()).expanded));
  const drained = await phase('drained', () =>
    drain === 1 ? until(async () => (await look()).done) : sleep(seconds * 1_000),
  );
  await load.end();
  show(expanded);
  show(drained);
  const { maxRss } = await service.vitals();
  report({
    what: `memory of the service meanwhile (\`sweep\`)`,
    ratio: maxRss / before.rss,
    measured: `at most ${(maxRss / MB).toFixed(0)} MB; ${jobs.toLocaleString('en')} jobs expanded at ${((jobs / expanded.ms) * 1_000).toFixed(0)} a second`,
    baseline: `before: ${(before.rss / MB).toFixed(0)} MB`,
  });
  await service.post('/v1/groups/sweep/stop', {});
} finally {
  await idle.close();
  await service.close();
}
