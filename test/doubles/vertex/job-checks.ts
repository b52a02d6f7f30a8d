import {
  type Container,
  durationMs,
  type JobRequest,
  type JobSpec,
  type Scheduling,
  type WorkerPool,
} from './custom-job.ts';
import { machineViolations } from './machine-checks.ts';
import { missing, refusal, type Violation } from './violation.ts';

const MAX_LABELS = 64;
const MAX_POOLS = 4;
const MAX_ENV = 100;
const MAX_ARGS_LENGTH = 100_000;
const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,64}$/u;
const EMAIL = /^[a-z0-9][a-z0-9._-]*@[a-z0-9.-]+\.[a-z]{2,}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Reference grammar of distribution: [host[:port]/]path[:tag][@digest]. */
const IMAGE =
  /^(?:[A-Za-z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** Refuses a job that Vertex AI refuses: throws ApiStatus INVALID_ARGUMENT that lists all that is wrong. */
export function checkJob(job: JobRequest | null): JobRequest & { readonly jobSpec: JobSpec } {
  if (job === null) throw refusal([missing('custom_job')]);
  const { jobSpec } = job;
  const found = [...nameViolations(job), ...labelViolations(job.labels)];
  if (jobSpec === null) throw refusal([...found, missing('job_spec')]);
  found.push(...specViolations(jobSpec));
  if (found.length > 0) throw refusal(found);
  return { ...job, jobSpec };
}

function nameViolations({ displayName }: JobRequest): Violation[] {
  if (displayName === '') return [missing('display_name')];
  if ([...displayName].length <= 128) return [];
  return [{ field: 'display_name', message: 'Must be at most 128 characters long.' }];
}

function labelViolations(labels: Readonly<Record<string, string>>): Violation[] {
  const bad = Object.entries(labels).filter(
    ([key, value]) => !LABEL_KEY.test(key) || !LABEL_VALUE.test(value),
  );
  const found = bad.map(([key, value]) => ({
    field: 'labels',
    message: `Invalid label "${key}": "${value}": at most 64 lowercase letters, digits, _ and -, the key begins with a letter.`,
  }));
  const count = Object.keys(labels).length;
  if (count <= MAX_LABELS) return found;
  return [...found, { field: 'labels', message: `${count} labels, at most ${MAX_LABELS}.` }];
}

function specViolations(spec: JobSpec): Violation[] {
  const pools = spec.workerPoolSpecs;
  const field = 'job_spec.worker_pool_specs';
  const found = pools.flatMap((pool, index) => poolViolations(pool, index, pools.length));
  if (pools.length === 0) found.push(missing(field));
  if (pools.length > MAX_POOLS) found.push({ field, message: `At most ${MAX_POOLS} are allowed.` });
  if (spec.serviceAccount !== '' && !EMAIL.test(spec.serviceAccount)) {
    found.push({
      field: 'job_spec.service_account',
      message: `"${spec.serviceAccount}" is not the email address of a service account.`,
    });
  }
  const prefix = spec.baseOutputDirectory?.outputUriPrefix ?? 'gs://unset';
  if (!/^gs:\/\/[a-z0-9][a-z0-9._-]+(\/|$)/.test(prefix)) {
    found.push({
      field: 'job_spec.base_output_directory.output_uri_prefix',
      message: `Must be a Cloud Storage path that begins with gs://: "${prefix}".`,
    });
  }
  return [...found, ...schedulingViolations(spec.scheduling)];
}

function schedulingViolations(scheduling: Scheduling | null): Violation[] {
  if (scheduling === null) return [];
  const found: Violation[] = [];
  const timeout = durationMs(scheduling.timeout);
  const wait = durationMs(scheduling.maxWaitDuration);
  const field = 'job_spec.scheduling';
  if (timeout !== null && timeout < 0) {
    found.push({ field: `${field}.timeout`, message: 'Must not be negative.' });
  }
  if (wait !== null && wait < 0) {
    found.push({ field: `${field}.max_wait_duration`, message: 'Must not be negative.' });
  }
  return found;
}

function poolViolations(pool: WorkerPool, index: number, pools: number): Violation[] {
  const at = `job_spec.worker_pool_specs[${index}]`;
  const isSkipped = pool.containerSpec === undefined && pool.machineSpec === null;
  if (index > 0 && isSkipped) return [];
  const found: Violation[] = [];
  if (pool.containerSpec === undefined && pool.pythonPackageSpec === undefined) {
    found.push({ field: at, message: 'One of container_spec, python_package_spec must be set.' });
  }
  if (pool.containerSpec !== undefined) found.push(...containerViolations(pool.containerSpec, at));
  const replicas = Number(pool.replicaCount);
  if (replicas < 0 || (index === 0 && replicas > 1)) {
    found.push({ field: `${at}.replica_count`, message: `Must not be ${replicas} in this pool.` });
  }
  return [...found, ...diskViolations(pool, at), ...machineViolations(pool, at, pools)];
}

function diskViolations({ diskSpec }: WorkerPool, at: string): Violation[] {
  const gb = diskSpec?.bootDiskSizeGb ?? 0;
  if (gb === 0 || (gb >= 100 && gb <= 64_000)) return [];
  return [{ field: `${at}.disk_spec.boot_disk_size_gb`, message: 'Must be from 100 to 64000.' }];
}

function containerViolations(container: Container, at: string): Violation[] {
  const field = `${at}.container_spec`;
  const found: Violation[] = [];
  if (container.imageUri === '') found.push(missing(`${field}.image_uri`));
  else if (!IMAGE.test(container.imageUri)) {
    const message = `Invalid image URI: "${container.imageUri}".`;
    found.push({ field: `${field}.image_uri`, message });
  }
  if (container.env.length > MAX_ENV) {
    found.push({ field: `${field}.env`, message: `At most ${MAX_ENV} variables are allowed.` });
  }
  for (const { name } of container.env) {
    if (!ENV_NAME.test(name)) {
      found.push({ field: `${field}.env`, message: `Invalid name of a variable: "${name}".` });
    }
  }
  const length = container.args.reduce((sum, arg) => sum + arg.length, 0);
  if (length > MAX_ARGS_LENGTH) {
    found.push({ field: `${field}.args`, message: `Longer than ${MAX_ARGS_LENGTH} characters.` });
  }
  return found;
}
