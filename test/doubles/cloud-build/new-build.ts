import type { Place } from './build-names.ts';
import { type Build, type BuildStep, type WireTime, wireTime } from './build-record.ts';
import { checkBuild } from './check-build.ts';
import { type BuiltInValues, substituted } from './substitutions.ts';

const HOUR: WireTime = { seconds: '3600', nanos: 0 };

export interface NewBuild {
  readonly place: Place;
  readonly names: { readonly id: string; readonly name: string; readonly logUrl: string };
  /** UTC milliseconds. */
  readonly now: number;
  readonly status: 'PENDING' | 'QUEUED';
}

/** A build as it is after its creation: checked, filled, what only the service may set set anew. Throws INVALID_ARGUMENT. */
export function newBuild(
  asked: Build,
  { place, names, now, status }: NewBuild,
): { readonly build: Build; readonly builtIn: BuiltInValues } {
  const builtIn = builtInValues(asked, place, names.id);
  const filled = substituted(asked, builtIn);
  checkBuild(filled);
  const build: Build = {
    ...filled,
    ...names,
    projectId: place.project.id,
    status,
    statusDetail: '',
    steps: filled.steps.map(unrun),
    results: null,
    createTime: wireTime(now),
    startTime: null,
    finishTime: null,
    timeout: filled.timeout ?? HOUR,
    queueTtl: filled.queueTtl ?? HOUR,
    logsBucket: logsBucketOf(filled, place),
    sourceProvenance: null,
    timing: {},
    failureInfo: null,
  };
  return { build, builtIn };
}

function builtInValues(asked: Build, { project, location }: Place, id: string): BuiltInValues {
  const email = asked.serviceAccount.split('/serviceAccounts/')[1];
  const account = email ?? `${project.number}-compute@developer.gserviceaccount.com`;
  return {
    PROJECT_ID: project.id,
    PROJECT_NUMBER: project.number,
    BUILD_ID: id,
    LOCATION: location,
    SERVICE_ACCOUNT_EMAIL: account,
    SERVICE_ACCOUNT: `projects/${project.id}/serviceAccounts/${account}`,
  };
}

function unrun(step: BuildStep): BuildStep {
  return { ...step, status: 'STATUS_UNKNOWN', exitCode: 0, timing: null, pullTiming: null };
}

function logsBucketOf({ logsBucket, options }: Build, { project, location }: Place): string {
  if (logsBucket !== '') {
    return logsBucket.startsWith('gs://') ? logsBucket : `gs://${logsBucket}`;
  }
  const own = options?.defaultLogsBucketBehavior === 'REGIONAL_USER_OWNED_BUCKET';
  return own
    ? `gs://${project.number}-${location}-cloudbuild-logs`
    : `gs://${project.number}.cloudbuild-logs.googleusercontent.com`;
}
