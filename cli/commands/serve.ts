import { LIMITS } from '../../shared/api/limits.ts';
import { isAppError } from '../../shared/errors/app-error.ts';
import { EXIT } from '../../shared/errors/catalog.ts';
import { createClient } from '../lib/client.ts';
import { announceStart, noteNewToken } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';
import { jobSettingLine, jobSettingRows } from '../lib/job-setting.ts';
import {
  type FoundServe,
  findServe,
  isRunning,
  seekServe,
  silentServe,
} from '../lib/serve-file.ts';
import { startServe } from '../lib/start-serve.ts';
import { alignColumns } from '../lib/table.ts';
import {
  alreadyRuns,
  HANDED_ON,
  readServeFlags,
  refuseOtherFlags,
  refuseUnusedFlags,
} from './serve-flags.ts';

/** `caliban serve`. */
export async function run(ctx: Context): Promise<number> {
  const { options } = ctx;
  refuseUnusedFlags(options);
  if (options.isSet('status')) return status(ctx);
  if (options.isSet('stop')) return stop(ctx);
  const flags = readServeFlags(ctx);
  return options.isSet('detach') ? detach(ctx, flags) : foreground(ctx, flags);
}

async function foreground(ctx: Context, flags: ReturnType<typeof readServeFlags>): Promise<number> {
  const { io, out, options, json } = ctx;
  const { runServe } = await io.parts.host();
  const isChild = options.isSet('detached_child');
  try {
    const serve = await runServe({ ...flags, signal: io.signal });
    const { address, instance, platform, slots, limits, note, tokenFile, newToken } = serve;
    const { dataDir } = flags;
    const jobs = { platform, slots, limits };
    if (json) await out.json({ address, instance, ...jobs, tokenFile, dataDir });
    else {
      out.note(`Serving at ${address}. Ctrl-C ends it; jobs that run go on.`);
      out.note(jobSettingLine(dataDir, jobs));
    }
    if (note !== null) out.note(note);
    // What a child notes goes into serve.log; whoever started it shows the token.
    if (newToken !== null && !isChild) noteNewToken(ctx, address, newToken);
    await serve.closed;
    return 0;
  } catch (error) {
    if (!isAppError(error, 'SERVICE_LOCKED')) throw error;
    // Two commands started one at the same time: the other one serves, which is all that was wanted.
    if (isChild) return 0;
    const running = await seekServe(flags.dataDir, io.signal);
    throw running.state === 'none' ? error : alreadyRuns(running.serve, [], error);
  }
}

async function detach(ctx: Context, flags: ReturnType<typeof readServeFlags>): Promise<number> {
  const { io, out, options, dataDir, json } = ctx;
  const running = await findServe(dataDir, io.signal);
  if (running !== null) {
    refuseOtherFlags(options, running);
    if (json) await out.json({ ...publicView(running), dataDir });
    else {
      out.note(`A service runs already at ${running.address} (process ${running.pid}).`);
      out.note(jobSettingLine(dataDir, running.jobs));
    }
    return 0;
  }
  const words = HANDED_ON.flatMap((name) => {
    const value = options.text(name);
    return value === undefined ? [] : [`--${name}=${value}`];
  });
  const started = await startServe(io, dataDir, {
    words,
    token: flags.token,
    indexUrl: flags.builds.indexUrl,
  });
  if (json) await out.json({ ...publicView(started), dataDir });
  announceStart(ctx, started);
  return 0;
}

async function stop({ io, out, dataDir, json }: Context): Promise<number> {
  const sought = await seekServe(dataDir, io.signal);
  if (sought.state === 'none') {
    if (json) await out.json({ stopped: null });
    else out.note(`No service runs in ${dataDir}.`);
    return 0;
  }
  const { serve } = sought;
  if (sought.state === 'silent') out.note(`${silentServe(serve).message}; ending it.`);
  const { ended, message } = await end(io, dataDir, serve);
  if (json) await out.json({ stopped: ended ? publicView(serve) : null });
  out.note(message);
  return ended ? 0 : EXIT.unavailable;
}

const STOP_TIMEOUT_MS = 30_000;

async function end(
  io: Context['io'],
  dataDir: string,
  { pid, address, instance }: FoundServe,
): Promise<{ ended: boolean; message: string }> {
  if (!terminate(pid)) return { ended: false, message: `Process ${pid} belongs to another user.` };
  const until = io.clock.now() + STOP_TIMEOUT_MS;
  while (io.clock.now() < until) {
    const still = await seekServe(dataDir, io.signal);
    // It takes its word back first; the directory is free for the next one when the process has gone.
    const isGone = still.state === 'none' || still.serve.instance !== instance;
    if (isGone && !isRunning(pid))
      return { ended: true, message: `Ended the service at ${address}.` };
    await io.clock.sleep(100, io.signal);
  }
  return { ended: false, message: `Process ${pid} does not end; its log is ${dataDir}/serve.log.` };
}

// Asks the process to end; false when it is another user's.
function terminate(pid: number): boolean {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EPERM') return false;
    if (code !== 'ESRCH') throw error;
  }
  return true;
}

async function status({ io, out, dataDir, json }: Context): Promise<number> {
  const serve = await findServe(dataDir, io.signal);
  if (serve === null) {
    if (json) await out.json({ running: false, dataDir });
    else await out.line(`no service runs in ${dataDir}`);
    return EXIT.notFound;
  }
  const counts = await countJobs(io, serve);
  if (json) await out.json({ running: true, dataDir, ...publicView(serve), jobs: counts });
  else {
    const rows = [
      ['address', serve.address],
      ['process', String(serve.pid)],
      ['data', dataDir],
      ...jobSettingRows(serve.jobs),
      ['jobs', `${counts.waiting} waiting, ${counts.running} running, ${counts.ended} ended`],
    ];
    await out.line(alignColumns(rows).join('\n'));
  }
  return 0;
}

interface JobCounts {
  readonly waiting: number;
  readonly running: number;
  readonly ended: number;
}

// Of everyone's newest groups: what is live is among them.
async function countJobs({ clock, signal }: Context['io'], serve: FoundServe): Promise<JobCounts> {
  const { address: url, token } = serve;
  const client = createClient({ url, token, fetch: (request) => fetch(request), clock, signal });
  const { groups } = await client.groups({ owner: '*', limit: LIMITS.pageItems });
  const sum = (count: (counts: (typeof groups)[number]['counts']) => number): number =>
    groups.reduce((total, { counts }) => total + count(counts), 0);
  return {
    waiting: sum(({ SUBMITTED }) => SUBMITTED),
    running: sum(({ RUNNING }) => RUNNING),
    ended: sum(({ SUCCEEDED, FAILED, STOPPED }) => SUCCEEDED + FAILED + STOPPED),
  };
}

function publicView({ address, instance, pid, jobs }: FoundServe) {
  return { address, instance, pid, ...jobs };
}
