import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A BuildKit of the test's own. */
export interface Buildkitd {
  /** Forgets everything it has built or pulled. */
  prune(): Promise<void>;
  /** Ends it, unmounts and removes what it kept. */
  close(): Promise<void>;
}

export interface BuildkitdOptions {
  /** Directory of buildkitd and buildctl: `test/tools/go-tools.sh` prints it. */
  readonly tools: string;
  /** Its socket is `run/buildkitd.sock` below it. */
  readonly dir: string;
  /** Registries that speak plain HTTP, as in `127.0.0.1:5000`. */
  readonly plainRegistries: readonly string[];
}

const run = promisify(execFile);
const READY_WITHIN_MS = 30_000;

/** Starts a buildkitd with runc and overlayfs; needs root. Build steps use the network of this machine. Throws with its log when it does not start. */
export async function startBuildkitd(options: BuildkitdOptions): Promise<Buildkitd> {
  const { tools, dir } = options;
  const config = join(dir, 'buildkitd.toml');
  const logFile = join(dir, 'buildkitd.log');
  const address = `unix://${join(dir, 'run', 'buildkitd.sock')}`;
  await mkdir(join(dir, 'run'), { recursive: true });
  await writeFile(config, configText(options, address));
  const log = openSync(logFile, 'w');
  const child = spawn(join(tools, 'buildkitd'), ['--config', config], {
    stdio: ['ignore', log, log],
  });
  const ended = once(child, 'exit');
  const ctl = (...args: string[]) => run(join(tools, 'buildctl'), ['--addr', address, ...args]);

  async function close(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await ended;
    }
    await unmountBelow(dir);
    await rm(dir, { recursive: true, force: true });
  }

  const giveUp = Date.now() + READY_WITHIN_MS;
  while (!(await answers(ctl))) {
    if (child.exitCode === null && Date.now() < giveUp) {
      await sleep(50);
      continue;
    }
    const text = await readFile(logFile, 'utf8');
    await close();
    throw new Error(`buildkitd did not start:\n${text}`);
  }
  return { close, prune: async () => void (await ctl('prune', '--all')) };
}

async function answers(ctl: (...args: string[]) => Promise<unknown>): Promise<boolean> {
  return ctl('debug', 'workers').then(
    () => true,
    () => false,
  );
}

function configText({ dir, plainRegistries }: BuildkitdOptions, address: string): string {
  const text = JSON.stringify;
  return [
    `root = ${text(join(dir, 'root'))}`,
    '[grpc]',
    `address = [${text(address)}]`,
    '[worker.containerd]',
    'enabled = false',
    '[worker.oci]',
    'enabled = true',
    'snapshotter = "overlayfs"',
    'networkMode = "host"',
    ...plainRegistries.flatMap((host) => [`[registry.${text(host)}]`, 'http = true']),
    '',
  ].join('\n');
}

async function unmountBelow(dir: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  const points = mounts.map((line) => line.split(' ')[1] ?? '');
  for (const point of points.filter((path) => path.startsWith(`${dir}/`)).toReversed()) {
    await run('umount', ['--lazy', point]);
  }
}
