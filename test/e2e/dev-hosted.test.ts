import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'vitest';
import { temporaryDirectory } from '../adapters/temporary-directory.ts';
import { PRETENDED_LINE } from '../doubles/local-cloud/pretended.ts';
import { sdkRoot } from '../fixtures/google-sdk.ts';
import { hasPart } from '../fixtures/require.ts';
import type { OnTestFinished } from '../fixtures/whole-system.ts';
import { ROOT, scratchMachine, statusJson } from './built-cli.ts';

const parts = (['registry', 'emulators'] as const).every(hasPart);

describe.runIf(parts)('npm run dev:hosted', { timeout: 180_000 }, () => {
  test('runs a pretended job from the command line, and leaves nothing when it ends', async ({
    expect,
    onTestFinished,
  }) => {
    const dev = startDev(onTestFinished, { args: ['--pretend', '--tick', '2'] });
    await dev.printed('Ctrl-C');
    const [, endpoint = '', token = ''] =
      /export CALIBAN_ENDPOINT=(\S+) CALIBAN_TOKEN=(\S+)/.exec(dev.stdout()) ?? [];
    expect(dev.stdout()).toContain('Builds and jobs are pretended: --pretend.');

    const settings = { CALIBAN_ENDPOINT: endpoint, CALIBAN_TOKEN: token };
    const machine = scratchMachine(onTestFinished, settings);
    await writeFile(join(machine.home, 'train.py'), 'print(1)\n');
    const ran = await machine.caliban([
      'cloud',
      ...['--nogpu', '--wait', '--xgroup', 'dev', 'train.py'],
    ]);
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ status: 0 });
    expect(ran.stdout).toContain('1 succeeded');
    const status = await machine.caliban(['status', '--xgroup', 'dev', '--json']);
    const [job] = statusJson
      .parse(JSON.parse(status.stdout))
      .experiments.flatMap(({ jobs }) => jobs);
    expect(job?.state).toBe('SUCCEEDED');
    expect((await machine.caliban(['logs', job?.id ?? '', '--follow'])).stdout).toContain(
      PRETENDED_LINE,
    );
    const dead = await machine.caliban(['admin', 'redrive', '--dry_run', '--json']);
    expect(JSON.parse(dead.stdout)).toMatchObject({ parked: 0, dead: 0 });

    expect(processesOf(dev.tmp).length).toBeGreaterThanOrEqual(7);
    dev.child.kill('SIGINT');
    expect(await dev.ended).toEqual([0, null]);
    expect(readdirSync(dev.tmp)).toEqual([]);
    await expect.poll(() => processesOf(dev.tmp)).toEqual([]);
  });

  test('says when a function ends by itself, and ends with status 1', async ({
    expect,
    onTestFinished,
  }) => {
    const dev = startDev(onTestFinished, { args: ['--pretend'] });
    await dev.printed('Ctrl-C');
    const worker = processesOf(dev.tmp).find((pid) => commandOf(pid).at(-1) === 'worker');
    process.kill(worker ?? Number.NaN, 'SIGKILL');
    expect(await dev.ended).toEqual([1, null]);
    const [, log = ''] =
      /The function worker ended by itself; its log is (\S+)\. /.exec(dev.stderr()) ?? [];
    expect(existsSync(log)).toBe(true);
    await expect.poll(() => processesOf(dev.tmp)).toEqual([]);
  });

  test('a part that does not start ends the others', async ({ expect, onTestFinished }) => {
    const programs = directoryOf(onTestFinished);
    const program = join(programs, 'docker-registry');
    await writeFile(program, '#!/bin/sh\n[ "$1" = --version ]\n');
    await chmod(program, 0o755);
    const path = `${programs}${delimiter}${process.env['PATH']}`;
    const dev = startDev(onTestFinished, { args: ['--pretend'], path });
    expect(await dev.ended).toEqual([1, null]);
    expect(dev.stderr()).toContain('It failed: The registry did not start.');
    expect(readdirSync(dev.tmp)).toEqual([]);
    expect(processesOf(dev.tmp)).toEqual([]);
  });

  test('without docker-registry it says so, and starts nothing', async ({
    expect,
    onTestFinished,
  }) => {
    const path = directoryOf(onTestFinished);
    await mkdir(path, { recursive: true });
    await symlink('/usr/bin/java', join(path, 'java'));
    const dev = startDev(onTestFinished, { args: ['--pretend'], path });
    expect(await dev.ended).toEqual([1, null]);
    expect(dev.stderr().trim()).toBe('docker-registry is missing: apt-get install docker-registry');
    expect(dev.stdout()).toBe('');
    expect(readdirSync(dev.tmp)).toEqual([]);
    expect(processesOf(dev.tmp)).toEqual([]);
  });

  test('flags that it does not know are one line, and --help names all', async ({
    expect,
    onTestFinished,
  }) => {
    const wrong = ['--nosuch', '--tick=0', '--tick=soon', '--ca_bundle=/no/such.pem'];
    for (const arg of wrong) {
      const dev = startDev(onTestFinished, { args: [arg] });
      expect(await dev.ended).toEqual([2, null]);
      expect(dev.stderr()).toMatch(/^[^\n]+\n$/);
      expect(dev.stderr()).toContain(arg.split('=')[0]);
    }
    const help = startDev(onTestFinished, { args: ['--help'] });
    expect(await help.ended).toEqual([0, null]);
    for (const flag of ['--pretend', '--base_image', '--ca_bundle', '--tick', '--dir', '--help']) {
      expect(help.stdout()).toContain(`  ${flag} `);
    }
  });
});

/** Starts it with a directory of temporary files of its own, by which what it starts is known. */
function startDev(
  onTestFinished: OnTestFinished,
  { args, path }: { readonly args: readonly string[]; readonly path?: string },
) {
  const tmp = directoryOf(onTestFinished);
  const child = spawn(process.execPath, [join(ROOT, 'scripts', 'dev-hosted.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...(path === undefined ? {} : { PATH: path }),
      TMPDIR: tmp,
      CALIBAN_TEST_GCLOUD_SDK: sdkRoot(),
      METADATA_SERVER_DETECTION: 'none',
    },
  });
  const ended = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGINT');
    await ended;
  });
  const text = { stdout: '', stderr: '' };
  const out = createInterface({ input: child.stdout });
  out.on('line', (line) => {
    text.stdout += `${line}\n`;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text.stderr += piece;
  });
  return {
    ...{ child, ended, tmp },
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    /** Resolves when a line with these words is there; rejects when it ends before. */
    async printed(words: string): Promise<void> {
      const ending = ended.then(() => Promise.reject(new Error(`It ended: ${text.stderr}`)));
      while (!text.stdout.includes(words)) await Promise.race([once(out, 'line'), ending]);
      ending.catch(() => undefined);
    },
  };
}

function directoryOf(onTestFinished: OnTestFinished): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return path;
}

/** All processes whose directory of temporary files is this one. */
function processesOf(tmp: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => zeroed(`/proc/${pid}/environ`).includes(`TMPDIR=${tmp}`));
}

function commandOf(pid: number): readonly string[] {
  return zeroed(`/proc/${pid}/cmdline`).slice(0, -1);
}

// A process may be gone before its file is read.
function zeroed(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\0');
  } catch {
    return [];
  }
}
