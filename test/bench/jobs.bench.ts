import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { jobView } from '../../shared/api/jobs.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { type BenchService, benchFolder, startService } from './bench-service.ts';
import { ms, report, timed } from './measure.ts';
import { sizes } from './sizes.ts';

// A sweep of trivial jobs from its acceptance to the end of its last job, against a shell loop that starts the same script as many
// times with as many slots.
const { jobs, slots } = sizes({ jobs: 1_000, slots: 2 });
const SCRIPT = 'echo "$@"\n';
const page = z.object({ jobs: z.array(jobView), next: z.string().nullable() });

async function shellLoop(folder: string): Promise<void> {
  const each = Math.ceil(jobs / slots);
  const loop = `i=0; while [ $i -lt ${each} ]; do sh job.sh --lr $i > /dev/null; i=$((i+1)); done`;
  const script = `for slot in $(seq ${slots}); do (${loop}) & done; wait`;
  const child = spawn('sh', ['-c', script], { cwd: folder, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the loop ended with ${code}`);
}

async function sweep(service: BenchService, layer: string): Promise<number> {
  const config = JSON.stringify({ lr: Array.from({ length: jobs }, (_, i) => i) });
  const startedAt = Date.now();
  const submission = await service.submit(
    aSpec({
      ...{ module: 'job.sh', scriptPath: 'job.sh', command: ['sh', 'job.sh'] },
      ...{ codeLayers: [layer], config },
    }),
  );
  const ended = `/v1/submissions/${submission}`;
  const view = z.object({ done: z.boolean(), counts: z.object({ SUCCEEDED: z.number() }) });
  for (;;) {
    const { done, counts } = view.parse(await service.get(ended));
    if (done && counts.SUCCEEDED !== jobs) throw new Error(`${jobs - counts.SUCCEEDED} failed`);
    if (done) break;
    await sleep(250);
  }
  return (await lastEnd(service, submission)) - startedAt;
}

async function lastEnd(service: BenchService, submission: string): Promise<number> {
  let last = 0;
  let cursor: string | null = null;
  do {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/v1/submissions/${submission}/jobs?state=SUCCEEDED&limit=500${after}`;
    const { jobs: some, next } = page.parse(await service.get(path));
    for (const { finishedAt } of some) last = Math.max(last, Date.parse(finishedAt ?? ''));
    cursor = next;
  } while (cursor !== null);
  return last;
}

const folder = await benchFolder();
const service = await startService({ slots });
try {
  await writeFile(join(folder, 'job.sh'), SCRIPT);
  const layer = await service.upload({ 'job.sh': SCRIPT });
  const loopBefore = await timed(() => shellLoop(folder));
  const cpuBefore = (await service.vitals()).cpuMs;
  const took = await sweep(service, layer);
  const cpu = (await service.vitals()).cpuMs - cpuBefore;
  const loop = Math.min(loopBefore, await timed(() => shellLoop(folder)));
  report({
    what: `${jobs.toLocaleString('en')} trivial jobs end to end, ${slots} slots (\`jobs\`)`,
    ratio: took / loop,
    measured: `${ms(took)}: ${ms((took - loop) / jobs)} more for each job, ${ms(cpu / jobs)} CPU of the service`,
    baseline: `a shell loop that starts the same script with as many slots: ${ms(loop)}`,
  });
} finally {
  await service.close();
  await rm(folder, { recursive: true });
}
