import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killInAccept } from './acts/accept.ts';
import { killAnytime } from './acts/anytime.ts';
import { killInDrain } from './acts/drain.ts';
import { killInExpansion } from './acts/expansion.ts';
import { killInShutdown } from './acts/shutdown.ts';
import { killInStart } from './acts/start.ts';
import { killInStop } from './acts/stop.ts';
import { killInUpload } from './acts/upload.ts';
import { checkAccepted } from './checks/accepted.ts';
import { type Check, check } from './checks/check.ts';
import { checkCounts } from './checks/counts.ts';
import { gatherEvidence } from './checks/evidence.ts';
import { checkProcesses, processesBelow } from './checks/remains.ts';
import { checkRuns } from './checks/runs.ts';
import { checkServiceLog } from './checks/service-log.ts';
import { checkStore } from './checks/store.ts';
import { Ledger } from './ledger.ts';
import { liveJobs, statesText } from './look.ts';
import {
  type Act,
  anotherSweep,
  type Phase,
  type PlanOptions,
  planOf,
  type Sweep,
} from './plan.ts';
import { cloudUntilAccepted } from './real-cli.ts';
import { ServeProcess } from './serve-process.ts';
import { type Kill, lookNow, type Stage } from './stage.ts';
import { StatusReader } from './status-reader.ts';
import { type KilledSupervisor, SupervisorKiller } from './supervisor-killer.ts';

/** What a run showed. */
export interface ChaosReport {
  readonly seed: number;
  readonly home: string;
  readonly kills: readonly Kill[];
  readonly supervisors: readonly KilledSupervisor[];
  readonly checks: readonly Check[];
  readonly seconds: number;
}

const ACTS = {
  upload: killInUpload,
  accept: killInAccept,
  expansion: killInExpansion,
  drain: killInDrain,
  shutdown: killInShutdown,
  start: killInStart,
  stop: killInStop,
  anytime: killAnytime,
} as const satisfies Record<Phase, (stage: Stage, act: Act, sweep: Sweep) => Promise<Kill>>;

const TRIES = 4;
/** Nothing moves for so long: something is stuck. */
const STUCK_MS = 90_000;

/** Plays a seed: submits, kills, waits until everything has ended, and looks at what is left. `say` gets a line for each kill. */
export async function runChaos(
  options: PlanOptions,
  say: (line: string) => void,
): Promise<ChaosReport> {
  const startedAt = performance.now();
  const plan = planOf(options);
  const home = mkdtempSync(join(tmpdir(), 'caliban-chaos-'));
  const stage = setStage(home, plan.slots);
  say(`seed ${plan.seed}: ${options.jobs} jobs on ${plan.slots} slots, in ${home}`);
  const kills: Kill[] = [];
  const reader = new StatusReader(stage);
  try {
    stage.serve.spawn();
    await sleep(plan.firstStartMs);
    await stage.serve.kill();
    say(`kill 0, ${plan.firstStartMs} ms after the first start in an empty directory`);
    await stage.serve.start();
    stage.killer.start();
    reader.start();
    await cloudUntilAccepted(stage, plan.opening);
    for (const act of plan.acts) {
      await sleep(act.pauseMs);
      for await (const kill of playUntilHit(stage, act)) {
        kills.push(kill);
        say(`kill ${kills.length}, ${kill.phase}${kill.hit ? '' : ' (missed)'}: ${kill.moment}`);
      }
    }
    stage.killer.endStorm();
    await untilEverythingEnded(stage);
    const checks = await finalChecks(stage, { kills, reader });
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    return { seed: plan.seed, home, kills, supervisors: stage.killer.killed, checks, seconds };
  } finally {
    await stage.killer.close();
    await reader.close();
    await stage.serve.kill();
    // Nothing is left when all went well.
    for (const { pid } of processesBelow(home)) process.kill(pid, 'SIGKILL');
  }
}

/** Removes what a run left. */
export function forgetRun({ home }: Pick<ChaosReport, 'home'>): void {
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}

function setStage(home: string, slots: number): Stage {
  const lines = join(home, 'lines.txt');
  const serve = new ServeProcess(home, slots);
  const ledger = new Ledger();
  return { home, lines, serve, ledger, killer: new SupervisorKiller({ serve, ledger, lines }) };
}

async function* playUntilHit(stage: Stage, act: Act): AsyncGenerator<Kill> {
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const sweep = attempt === 1 ? act.sweep : anotherSweep(act.sweep, attempt);
    const kill = await ACTS[act.phase](stage, act, sweep);
    yield kill;
    if (kill.hit) return;
  }
}

async function untilEverythingEnded(stage: Stage): Promise<void> {
  let before = '';
  let movedAt = Date.now();
  for (;;) {
    const look = lookNow(stage);
    const isQuiet =
      look !== null &&
      liveJobs(look) === 0 &&
      look.messages === 0 &&
      [...look.submissions.values()].every(({ expanded }) => expanded);
    if (isQuiet) return;
    const now = `${statesText(look)}, ${look?.messages} messages`;
    if (now !== before) movedAt = Date.now();
    before = now;
    // The checks say what is missing.
    if (Date.now() - movedAt > STUCK_MS) return;
    await sleep(200);
  }
}

async function finalChecks(
  stage: Stage,
  storm: { readonly kills: readonly Kill[]; readonly reader: StatusReader },
): Promise<readonly Check[]> {
  const { reader, kills } = storm;
  await reader.close();
  const evidence = gatherEvidence(stage);
  const live = await checkCounts(stage, evidence, 'of the service');
  const { code } = await stage.serve.stop();
  const end = code === 0 ? [] : [`serve ended with status ${code}`];
  if (existsSync(join(stage.serve.dataDir, 'serve.json'))) end.push('serve.json is left');
  return [
    ...checkAccepted(stage, evidence),
    ...checkRuns(stage, evidence),
    live,
    await checkCounts(stage, gatherEvidence(stage), 'without a service'),
    checkProcesses(stage, evidence),
    checkStore(evidence),
    checkServiceLog(stage),
    check('the last one ended as it was asked to', '1 end', end),
    check(
      'caliban status always answers or says why not',
      `${reader.reads} commands, ${reader.offline} without a service`,
      reader.broken,
    ),
    check('each kill came in the phase it was aimed at', `${kills.length} kills`, missed(kills)),
  ];
}

function missed(kills: readonly Kill[]): readonly string[] {
  const phases = new Set(kills.map(({ phase }) => phase));
  const hit = new Set(kills.filter((kill) => kill.hit).map(({ phase }) => phase));
  return [...phases].filter((phase) => !hit.has(phase)).map((phase) => `${phase} was never hit`);
}
