import { totalmem } from 'node:os';
import { test } from 'vitest';
import { containerOptions } from '../../../../../../../functions/adapters/local/docker/containers/container-options.ts';
import { aPlatformJob } from '../../../../../../doubles/a-platform-job.ts';

const SETTING = {
  service: 'abcdef012345',
  limits: { cpus: null, memoryBytes: null },
  image: 'sha256:1',
  hasEntrypoint: true,
  maxLogBytes: 1000,
  maxProcesses: 50,
};

test('an image with an entry point gets the arguments only', ({ expect }) => {
  const options = containerOptions(aPlatformJob(), SETTING);
  expect(options.Cmd).toEqual(['--lr', '0.1']);
  expect(options).not.toHaveProperty('Entrypoint');
});

test('an image without one gets the command as its entry point', ({ expect }) => {
  const options = containerOptions(aPlatformJob(), { ...SETTING, hasEntrypoint: false });
  expect(options.Entrypoint).toEqual(['python', 'train.py']);
  expect(options.Cmd).toEqual(['--lr', '0.1']);
});

test('without limits a job may use the machine, and half its memory as shared memory', ({
  expect,
}) => {
  const { HostConfig } = containerOptions(aPlatformJob(), SETTING);
  expect(HostConfig).not.toHaveProperty('Memory');
  expect(HostConfig).not.toHaveProperty('NanoCpus');
  expect(HostConfig?.ShmSize).toBe(Math.floor(totalmem() / 2));
});

test('limits hold for memory, swap and shared memory together', ({ expect }) => {
  const limits = { cpus: 1.5, memoryBytes: 1024 };
  const { HostConfig } = containerOptions(aPlatformJob(), { ...SETTING, limits });
  expect(HostConfig).toMatchObject({
    Memory: 1024,
    MemorySwap: 1024,
    ShmSize: 1024,
    NanoCpus: 1_500_000_000,
  });
});

test('a job has a bound on its processes, and no program of it gets more rights', ({ expect }) => {
  const { HostConfig } = containerOptions(aPlatformJob(), SETTING);
  expect(HostConfig).toMatchObject({ PidsLimit: 50, SecurityOpt: ['no-new-privileges'] });
});

test('the engine keeps twice what the log may have', ({ expect }) => {
  const { HostConfig } = containerOptions(aPlatformJob(), SETTING);
  expect(HostConfig?.LogConfig).toEqual({
    Type: 'local',
    Config: { 'max-size': '2000', 'max-file': '1', compress: 'false' },
  });
});
