import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { LIMITS } from '../../shared/api/limits.ts';
import type { ProcessWatch } from '../api/process-watch.ts';
import type { Family } from '../core/meters.ts';
import { loopCheck, type ReadyCheck } from '../core/readiness.ts';
import type { Clock } from '../ports/runtime.ts';
import type { ServiceLog } from './service-log.ts';

const DELAY_RESOLUTION_MS = 20;

/** A loop, and when it last turned. */
interface Turning {
  turnedAt(): number;
}

/** What is watched. */
export interface Watched {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Pick<ServiceLog, 'lost' | 'failure'>;
  readonly outbox: Turning;
  readonly sync: Turning;
}

/** Watches this process and its data directory, until it is closed. */
export function createProcessWatch(watched: Watched): ProcessWatch & { close(): void } {
  const { dataDir, clock, log, outbox, sync } = watched;
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  return {
    checks: [
      loopCheck('outbox loop', clock, outbox.turnedAt),
      loopCheck('sync loop', clock, sync.turnedAt),
      dataDirCheck(dataDir),
      logCheck(log),
    ],
    families() {
      const families = [...processFamilies(), ...delayFamilies(delay), lostLines(log)];
      delay.reset();
      return families;
    },
    close: () => {
      delay.disable();
    },
  };
}

/** Whether files can be made in a directory, as far as that can be told without making one. */
export function dataDirCheck(path: string, freeBytes: number = LIMITS.freeBytes): ReadyCheck {
  return {
    part: 'data directory',
    async look() {
      try {
        await access(path, constants.W_OK);
        const { bavail, bsize, files, ffree } = await statfs(path);
        const free = bavail * bsize;
        if (free < freeBytes)
          return `has ${mebibytes(free)} free; ${mebibytes(freeBytes)} are needed`;
        // Some filesystems have no number of files.
        return files > 0 && ffree === 0 ? 'can hold no more files' : null;
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
        return `cannot be written${code}`;
      }
    },
  };
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}

function logCheck(log: Pick<ServiceLog, 'failure'>): ReadyCheck {
  const look = async () => (log.failure() === null ? null : 'cannot be written');
  return { part: 'log', look };
}

function lostLines(log: Pick<ServiceLog, 'lost'>): Family {
  return {
    name: 'caliban_log_lines_lost_total',
    help: 'Lines of the log that could not be written.',
    type: 'counter',
    samples: [{ labels: {}, value: log.lost() }],
  };
}

// The names that dashboards for Node know.
function processFamilies(): Family[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  const startedAt = performance.timeOrigin / 1_000;
  return [
    counter('process_cpu_user_seconds_total', 'Processor time in user mode.', user / 1e6),
    counter('process_cpu_system_seconds_total', 'Processor time in the kernel.', system / 1e6),
    counter('process_cpu_seconds_total', 'Processor time.', (user + system) / 1e6),
    gauge('process_start_time_seconds', 'When the process started, since 1970.', startedAt),
    gauge('process_resident_memory_bytes', 'Memory of the process.', rss),
    gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', heapUsed),
    gauge('nodejs_heap_size_total_bytes', 'JavaScript heap.', heapTotal),
    gauge('nodejs_external_memory_bytes', 'Memory of buffers, outside the heap.', external),
  ];
}

// Since they were last asked for. What Node measures is the whole of a timer's wait, not how late it was.
function delayFamilies(delay: ReturnType<typeof monitorEventLoopDelay>): Family[] {
  const seconds = (nanoseconds: number) =>
    delay.count === 0 ? 0 : Math.max(0, nanoseconds / 1e6 - DELAY_RESOLUTION_MS) / 1_000;
  const family = (name: string, help: string, nanoseconds: number) =>
    gauge(
      `nodejs_eventloop_lag_${name}_seconds`,
      `${help} since the last scrape.`,
      seconds(nanoseconds),
    );
  return [
    family('mean', 'How late the event loop was on average', delay.mean),
    family('p50', 'How late the event loop was, median', delay.percentile(50)),
    family('p99', 'How late the event loop was, 99th percentile', delay.percentile(99)),
    family('max', 'How late the event loop was at most', delay.max),
  ];
}

function counter(name: string, help: string, value: number): Family {
  return { name, help, type: 'counter', samples: [{ labels: {}, value }] };
}

function gauge(name: string, help: string, value: number): Family {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] };
}
