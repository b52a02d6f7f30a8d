import { invalidArgument } from '../google-api/api-status.ts';
import { type Build, type BuildStep, timeMs, type WireTime } from './build-record.ts';

const MAX_STEPS = 300;
const MAX_IMAGES = 700;
const MAX_ARGS = 100;
const MAX_ARG_BYTES = 10_000;
const MAX_ENV = 100;
const MAX_TAGS = 64;
const MAX_DISK_GB = 4000;
const MAX_TIMEOUT_MS = 24 * 3_600_000;
const TAG = /^\w[\w.-]{0,127}$/;
const BUCKET = /^[a-z0-9][-_.a-z0-9]{1,220}[a-z0-9]$/;
const SECRET_VERSION =
  /^projects\/[^/]+\/secrets\/[\w-]{1,255}\/versions\/(latest|\d+|[a-z][\w-]*)$/;
const SERVICE_ACCOUNT = /^projects\/[^/]+\/serviceAccounts\/[^/]+$/;
const OWN_LOGS = ['CLOUD_LOGGING_ONLY', 'STACKDRIVER_ONLY', 'NONE'];

/** Throws INVALID_ARGUMENT for a build the API does not take. Fields: cloudbuild.proto; where each limit is from: README.md. */
export function checkBuild(build: Build): void {
  checkSteps(build.steps);
  checkSource(build.source);
  checkTimes(build);
  checkTags(build.tags);
  checkLogs(build);
  checkSecrets(build);
  checkServed(build);
  if (build.images.length > MAX_IMAGES) {
    throw invalid('images', `${build.images.length} images exceed the maximum of ${MAX_IMAGES}`);
  }
  if (Number(build.options?.diskSizeGb ?? 0) > MAX_DISK_GB) {
    throw invalid('options.disk_size_gb', `the maximum is ${MAX_DISK_GB}`);
  }
}

function checkSteps(steps: readonly BuildStep[]): void {
  if (steps.length === 0) throw invalidArgument('invalid build: must have at least one step');
  if (steps.length > MAX_STEPS) {
    throw invalid('steps', `${steps.length} steps exceed the maximum of ${MAX_STEPS}`);
  }
  for (const [index, step] of steps.entries()) checkStep(`steps[${index}]`, step);
  checkOrder(steps);
}

function checkOrder(steps: readonly BuildStep[]): void {
  const ids = new Set(['-']);
  for (const [index, { id, waitFor }] of steps.entries()) {
    const field = `steps[${index}]`;
    const unknown = waitFor.find((awaited) => !ids.has(awaited));
    if (unknown !== undefined) {
      throw invalid(`${field}.wait_for`, `no earlier step has the id ${JSON.stringify(unknown)}`);
    }
    if (ids.has(id)) throw invalid(`${field}.id`, `${JSON.stringify(id)} is used twice`);
    if (id !== '') ids.add(id);
  }
}

function checkStep(field: string, step: BuildStep): void {
  if (step.name === '') throw invalid(field, 'build step must specify a name');
  if (step.script !== '' && (step.args.length > 0 || step.entrypoint !== '')) {
    throw invalid(field, 'script cannot be set together with entrypoint or args');
  }
  if (step.args.length > MAX_ARGS) throw invalid(`${field}.args`, `more than ${MAX_ARGS}`);
  if (step.args.some((arg) => Buffer.byteLength(arg) > MAX_ARG_BYTES)) {
    throw invalid(`${field}.args`, `an argument is longer than ${MAX_ARG_BYTES}`);
  }
  checkEnv(`${field}.env`, step.env);
  if (step.dir.split('/').includes('..')) throw invalid(`${field}.dir`, `"${step.dir}" leads out`);
  checkTimeout(`${field}.timeout`, step.timeout);
}

function checkEnv(field: string, env: readonly string[]): void {
  if (env.length > MAX_ENV) throw invalid(field, `more than ${MAX_ENV}`);
  const bad = env.find((entry) => !/^[^=]+=/.test(entry));
  if (bad !== undefined) throw invalid(field, `${JSON.stringify(bad)} is not KEY=VALUE`);
}

/** What Cloud Build would do and this double does not: better refused than left out. */
function checkServed({ artifacts, options, steps }: Build): void {
  if (artifacts !== null) throw invalid('artifacts', 'this double uploads none');
  const volumes = [...(options?.volumes ?? []), ...steps.flatMap((step) => step.volumes)];
  if (volumes.length > 0) throw invalid('volumes', 'this double has none');
  if ((options?.pool ?? null) !== null) throw invalid('options.pool', 'this double has none');
}

function checkSource(source: Build['source']): void {
  if (source === null) return;
  const { storageSource } = source;
  if (!storageSource) throw invalid('source', 'this double fetches storage_source only');
  if (!BUCKET.test(storageSource.bucket)) {
    throw invalid('source.storage_source.bucket', JSON.stringify(storageSource.bucket));
  }
  if (storageSource.object === '') {
    throw invalid('source.storage_source.object', 'must be specified');
  }
  if (!/\.(tar\.gz|tgz|zip)$/.test(storageSource.object)) {
    throw invalid('source.storage_source.object', 'must be a .tar.gz, .tgz or .zip file');
  }
}

function checkTimes({ timeout, queueTtl }: Build): void {
  checkTimeout('timeout', timeout);
  if (queueTtl !== null && timeMs(queueTtl) <= 0) throw invalid('queue_ttl', 'must be positive');
}

function checkTimeout(field: string, timeout: WireTime | null): void {
  if (timeout === null) return;
  const ms = timeMs(timeout);
  if (ms > 0 && ms <= MAX_TIMEOUT_MS) return;
  throw invalid(field, `${ms / 1000}s is not between 1s and ${MAX_TIMEOUT_MS / 1000}s`);
}

function checkTags(tags: readonly string[]): void {
  if (tags.length > MAX_TAGS) throw invalid('tags', `more than ${MAX_TAGS}`);
  const bad = tags.find((tag) => !TAG.test(tag));
  if (bad !== undefined) {
    throw invalid('tags', `${JSON.stringify(bad)} does not match [\\w][\\w.-]{0,127}`);
  }
}

function checkLogs({ serviceAccount, logsBucket, options }: Build): void {
  if (logsBucket !== '' && !BUCKET.test(logsBucket.replace(/^gs:\/\//, '').split('/')[0] ?? '')) {
    throw invalid('logs_bucket', JSON.stringify(logsBucket));
  }
  if (serviceAccount === '') return;
  if (!SERVICE_ACCOUNT.test(serviceAccount)) {
    throw invalid('service_account', `${JSON.stringify(serviceAccount)} is no service account`);
  }
  const behavior = options?.defaultLogsBucketBehavior;
  if (logsBucket !== '' || behavior === 'REGIONAL_USER_OWNED_BUCKET') return;
  if (OWN_LOGS.includes(options?.logging ?? '')) return;
  throw invalidArgument(
    "if 'build.service_account' is specified, the build must either (a) specify 'build.logs_bucket', (b) use the REGIONAL_USER_OWNED_BUCKET build.options.default_logs_bucket_behavior option, or (c) use either CLOUD_LOGGING_ONLY / NONE logging options",
  );
}

function checkSecrets({ availableSecrets, secrets, steps, options }: Build): void {
  if (secrets.length > 0 || (availableSecrets?.inline.length ?? 0) > 0) {
    throw invalid('secrets', 'this double decrypts nothing with Cloud KMS');
  }
  const declared = new Set<string>();
  for (const { versionName, env } of availableSecrets?.secretManager ?? []) {
    if (!SECRET_VERSION.test(versionName)) {
      throw invalid(
        'available_secrets.secret_manager.version_name',
        `${JSON.stringify(versionName)} is not projects/*/secrets/*/versions/*`,
      );
    }
    if (declared.has(env)) throw invalid('available_secrets', `${env} is declared twice`);
    declared.add(env);
  }
  const used = new Set([...steps.flatMap((step) => step.secretEnv), ...(options?.secretEnv ?? [])]);
  const unknown = [...used].find((env) => !declared.has(env));
  if (unknown !== undefined) {
    throw invalid('secret_env', `secret environment variable ${unknown} is not defined`);
  }
  const unused = [...declared].find((env) => !used.has(env));
  if (unused !== undefined) {
    throw invalid('available_secrets', `secret ${unused} is defined but used by no step`);
  }
}

function invalid(field: string, why: string) {
  return invalidArgument(`invalid value for 'build.${field}': ${why}`);
}
