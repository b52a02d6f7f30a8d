import { AppError } from '../../shared/errors/app-error.ts';
import type { LaneSetting } from '../core/deps.ts';
import type { LanePolicy } from '../ports/documents.ts';
import type { Store } from '../ports/store.ts';

/** Where this machine can run jobs. */
export type LocalPlatform = 'docker' | 'process';

/** Whether Docker can be used here; `reason` is one sentence for people. */
export type DockerProbe =
  | { readonly usable: true }
  | { readonly usable: false; readonly reason: string };

/** What decides. */
export interface PlatformWish {
  /** As given with `--platform`; null: the best this machine has. */
  readonly asked: LocalPlatform | null;
  /** Flags that only containers honour, as typed. */
  readonly onlyDocker: readonly string[];
  /** Where jobs of this directory live already. */
  readonly living: LocalPlatform | null;
  /** Asked only when it matters. */
  readonly probe: () => Promise<DockerProbe>;
}

/** The platform of a service, and one line about how it came to be when nobody asked for it. */
export interface PlatformChoice {
  readonly platform: LocalPlatform;
  readonly note: string | null;
}

const LANES = { docker: 'this-machine-docker', process: 'this-machine' } as const;

/** The lane of this machine for a platform, with so many jobs at the same time. */
export function laneOf(
  platform: LocalPlatform,
  slots: number,
): LaneSetting & { readonly platform: LocalPlatform } {
  const policy: LanePolicy = { ratePerMinute: null, maxActive: slots };
  return { id: LANES[platform], platform, policy };
}

/**
 * Docker when it can be used, else plain processes; but never another one than where jobs of the directory still live, because
 * nobody would look after them. Throws AppError SERVE_REFUSED when what was asked for cannot be had.
 */
export async function choosePlatform(wish: PlatformWish): Promise<PlatformChoice> {
  const { asked, living } = wish;
  if (asked !== null && living !== null && asked !== living) throw jobsLiveElsewhere(asked, living);
  const wanted = asked ?? living;
  if (wanted === 'process') {
    refuseOnlyDocker(wish, asked === null ? jobsLive('process') : 'the platform is process');
    return {
      platform: 'process',
      note: asked === null ? `Jobs run as processes: ${jobsLive('process')}.` : null,
    };
  }
  const docker = await wish.probe();
  if (docker.usable) return { platform: 'docker', note: null };
  if (wanted === 'docker') throw unusable(docker.reason, asked === null);
  refuseOnlyDocker(wish, `Docker cannot be used: ${docker.reason}`);
  return {
    platform: 'process',
    note: `Jobs run as processes, because Docker cannot be used: ${docker.reason}`,
  };
}

/** Where jobs of a directory live: on the lane that has some which have not ended, or a submission that will have. */
export async function livingPlatform(store: Pick<Store, 'list'>): Promise<LocalPlatform | null> {
  for (const platform of ['docker', 'process'] as const) {
    if (await hasLiveJobs(store, LANES[platform])) return platform;
  }
  return null;
}

const LIVE_STATES = ['QUEUED', 'SUBMITTING', 'SUBMITTED', 'RUNNING'] as const;

async function hasLiveJobs(store: Pick<Store, 'list'>, lane: string): Promise<boolean> {
  for (const state of LIVE_STATES) {
    const { items } = await store.list('jobsOfLaneByState', { lane, state }, { limit: 1 });
    if (items.length > 0) return true;
  }
  const waiting = await store.list(
    'submissionsAwaitingImage',
    { imageState: 'waiting', ending: 'none' },
    { limit: 500 },
  );
  return waiting.items.some(({ value }) => value.lane === lane);
}

function jobsLive(platform: LocalPlatform): string {
  return `jobs of this directory live on ${platform}`;
}

function jobsLiveElsewhere(asked: LocalPlatform, living: LocalPlatform): AppError {
  return new AppError(
    'SERVE_REFUSED',
    `--platform ${asked} was asked for, but ${jobsLive(living)}; nobody would look after them.`,
    {
      hint: `Leave --platform out until they have ended, or name another directory with --data_dir.`,
    },
  );
}

function unusable(reason: string, isForLiving: boolean): AppError {
  const why = isForLiving ? ` ${capitalized(jobsLive('docker'))}.` : '';
  return new AppError('SERVE_REFUSED', `Docker cannot be used: ${reason}${why}`, {
    hint: isForLiving
      ? 'Start Docker, or name another directory with --data_dir.'
      : 'Mend that, or run jobs as processes: --platform process',
  });
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function refuseOnlyDocker({ onlyDocker }: PlatformWish, because: string): void {
  if (onlyDocker.length === 0) return;
  throw new AppError(
    'SERVE_REFUSED',
    `${onlyDocker.join(' and ')} would have no effect on plain processes; ${because.replace(/\.$/, '')}.`,
    { hint: 'Leave it out, or start Docker.' },
  );
}
