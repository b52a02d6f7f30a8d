import { test, vi } from 'vitest';
import { createJobLogs } from '../../functions/adapters/gcp/cloud-logging.ts';
import { startCloudLogging } from '../doubles/cloud-logging/cloud-logging.ts';
import { nanosOfMs } from '../doubles/google-api/comparing.ts';
import { startGoogleApi } from '../doubles/google-api/google-api.ts';
import { TEST_PROJECT } from '../doubles/google-api/projects.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import { createManualClock } from '../doubles/manual-clock.ts';

test('a line behind many entries of other jobs is found by a search that stops early', async ({
  expect,
  onTestFinished,
}) => {
  const clock = createManualClock();
  const api = await startGoogleApi({ clock });
  onTestFinished(api.close);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', api.environment.GOOGLE_APPLICATION_CREDENTIALS);
  onTestFinished(() => void vi.unstubAllEnvs());
  const logging = startCloudLogging(api, { entriesPerRead: 10 });
  let reads = 0;
  logging.beforeRead(() => void reads++);
  const createdAt = clock.now();
  const print = (job: string, message: string, afterMs: number) =>
    logging.write({
      logName: `projects/${TEST_PROJECT.id}/logs/workerpool0-0`,
      resource: { type: 'ml_job', labels: { job_id: job, task_name: 'workerpool0-0' } },
      severity: 'INFO',
      timestamp: nanosOfMs(createdAt + afterMs),
      message,
    });
  for (let i = 0; i < 75; i++) print('8', 'other', i);
  print('7', 'found', 100);
  await clock.advance(60_000);

  const settings = { projectId: TEST_PROJECT.id, endpoint: api.endpoint, clock, log: SILENT_LOG };
  const logs = createJobLogs(settings);
  onTestFinished(logs.close);
  const times = async () => ({ createdAt, endedAt: createdAt + 200 });
  const read = () => logs.read({ project: TEST_PROJECT.id, jobId: '7', times }, '', 1_000);

  expect(await read()).toEqual({ text: '', next: '', ended: false });
  expect(await read()).toMatchObject({ text: 'found\n', ended: true });
  expect(reads).toBe(8);
});
