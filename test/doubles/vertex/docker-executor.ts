import { status } from '@grpc/grpc-js';
import Docker from 'dockerode';
import pLimit from 'p-limit';
import { type ContainerSettings, containerOptions } from './container-options.ts';
import { readOutput } from './container-output.ts';
import type { CustomJob } from './custom-job.ts';
import type { JobEnd, LiveExecutor, RunHooks } from './executor.ts';

export interface DockerExecutorOptions extends ContainerSettings {
  /** Containers at once; jobs beyond stay in PENDING. Default 4. */
  readonly concurrency?: number;
  /** `always` as Vertex AI does; `if-missing` for images that only the engine has. Default always. */
  readonly pull?: 'always' | 'if-missing';
  /** From the stop of a cancelled container to its kill; default 10. */
  readonly stopSeconds?: number;
}

const DEFAULT_CONCURRENCY = 4;
const DEFAULT_STOP_SECONDS = 10;

/**
 * Runs the container of the first worker pool of a job on this machine's engine. The image is pulled by its reference; engines ask
 * registries at 127.0.0.1 over plain http. Accelerators and sizes of machines mean nothing. References that only a pull has brought are
 * removed at the end, as far as the engine lets go of them.
 */
export function dockerExecutor(options: DockerExecutorOptions = {}): LiveExecutor {
  const docker = new Docker();
  const limit = pLimit(options.concurrency ?? DEFAULT_CONCURRENCY);
  const closing = new AbortController();
  const made = new Set<Docker.Container>();
  const pulled = new Set<string>();

  async function runJob(job: CustomJob, hooks: RunHooks): Promise<JobEnd> {
    const image = job.jobSpec?.workerPoolSpecs[0]?.containerSpec?.imageUri ?? '';
    try {
      await provideImage(docker, image, { pull: options.pull ?? 'always', pulled });
    } catch (error) {
      return pullError(image, error);
    }
    if (hooks.signal.aborted) return { kind: 'cancelled' };
    const container = await docker.createContainer(containerOptions(job, options));
    made.add(container);
    try {
      return await runContainer(container, hooks);
    } finally {
      await container.remove({ force: true, v: true });
      made.delete(container);
    }
  }

  async function runContainer(container: Docker.Container, hooks: RunHooks): Promise<JobEnd> {
    await container.start();
    hooks.started();
    const seconds = options.stopSeconds ?? DEFAULT_STOP_SECONDS;
    const stop = () => void container.stop({ t: seconds }).catch(() => undefined);
    hooks.signal.addEventListener('abort', stop);
    if (hooks.signal.aborted) stop();
    await readOutput(docker, container, hooks.output);
    const { StatusCode } = await container.wait();
    hooks.signal.removeEventListener('abort', stop);
    if (hooks.signal.aborted && StatusCode !== 0) return { kind: 'cancelled' };
    const { State } = await container.inspect();
    return { kind: 'exit', code: StatusCode, outOfMemory: State.OOMKilled };
  }

  return {
    kind: 'live',
    run(job, hooks) {
      const signal = AbortSignal.any([hooks.signal, closing.signal]);
      return limit(async () => {
        if (signal.aborted) return { kind: 'cancelled' };
        return runJob(job, { ...hooks, signal });
      });
    },
    async close() {
      closing.abort(new Error('the double ends'));
      const removals = [...made].map((container) => container.remove({ force: true, v: true }));
      await Promise.allSettled(removals);
      await Promise.allSettled([...pulled].map((image) => docker.getImage(image).remove()));
    },
  };
}

async function provideImage(
  docker: Docker,
  image: string,
  { pull, pulled }: { readonly pull: 'always' | 'if-missing'; readonly pulled: Set<string> },
): Promise<void> {
  const isThere = await hasImage(docker, image);
  if (pull === 'if-missing' && isThere) return;
  // Before the pull: what it leaves when the double ends meanwhile is its own, too.
  if (!isThere) pulled.add(image);
  const progress = await docker.pull(image);
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
  });
}

async function hasImage(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch {
    return false;
  }
}

function pullError(image: string, error: unknown): JobEnd {
  const words = error instanceof Error ? error.message : String(error);
  const message = `Failed to pull image "${image}" for replica workerpool0-0: ${words}`;
  return { kind: 'error', error: { code: status.INVALID_ARGUMENT, message } };
}
