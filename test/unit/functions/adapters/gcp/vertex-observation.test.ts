import { describe, test } from 'vitest';
import type { CustomJob } from '../../../../../functions/adapters/gcp/vertex-calls.ts';
import { observationOf } from '../../../../../functions/adapters/gcp/vertex-observation.ts';

const READING = { instanceLabel: 'lab', timeoutMs: 3_600_000 };
const NAME = 'projects/12/locations/us-central1/customJobs/7';
const LOGS = 'To find out more about why your job exited please check the logs: https://x';

function job(changes: Partial<CustomJob>): CustomJob {
  return {
    name: NAME,
    labels: { caliban: 'lab', caliban_job: 'abc-1', caliban_attempt: '3', team: 'x' },
    state: 'JOB_STATE_RUNNING',
    createTime: { seconds: 1_000, nanos: 0 },
    startTime: { seconds: 1_060, nanos: 500_000_000 },
    ...changes,
  };
}

describe('observation of a custom job', () => {
  test('who it is, and since when', ({ expect }) => {
    expect(observationOf(READING, job({}))).toEqual({
      jobId: 'abc-1',
      attempt: 3,
      ref: NAME,
      state: 'RUNNING',
      createdAt: 1_000_000,
      startedAt: 1_060_500,
      finishedAt: null,
      exitCode: null,
      cause: { code: 'started', message: 'Running.' },
    });
  });

  test.for([
    [{}],
    [{ caliban: 'other', caliban_job: 'abc', caliban_attempt: '1' }],
    [{ caliban: 'lab', caliban_job: 'abc' }],
    [{ caliban: 'lab', caliban_job: 'abc', caliban_attempt: '0' }],
    [{ caliban: 'lab', caliban_job: 'a b', caliban_attempt: '1' }],
  ] as Record<string, string>[][])('labels %j are of no job of ours', ([labels], { expect }) => {
    expect(observationOf(READING, job({ labels: labels ?? {} }))).toBeNull();
  });

  test.for([
    ['JOB_STATE_QUEUED', 'SUBMITTED', 'platform'],
    ['JOB_STATE_PENDING', 'SUBMITTED', 'submitted'],
    ['JOB_STATE_RUNNING', 'RUNNING', 'started'],
    ['JOB_STATE_UPDATING', 'RUNNING', 'started'],
    ['JOB_STATE_CANCELLING', 'RUNNING', 'platform'],
    ['JOB_STATE_PAUSED', 'RUNNING', 'platform'],
    ['JOB_STATE_UNSPECIFIED', 'RUNNING', 'platform'],
    ['JOB_STATE_SUCCEEDED', 'SUCCEEDED', 'succeeded'],
    ['JOB_STATE_FAILED', 'FAILED', 'platform'],
    ['JOB_STATE_CANCELLED', 'STOPPED', 'stop-requested'],
    ['JOB_STATE_EXPIRED', 'FAILED', 'platform'],
    ['JOB_STATE_PARTIALLY_SUCCEEDED', 'FAILED', 'platform'],
  ] as const)('%s is %s (%s)', ([state, ours, code], { expect }) => {
    const seen = observationOf(READING, job({ state, updateTime: { seconds: 1_100 } }));
    expect(seen).toMatchObject({ state: ours, cause: { code } });
    const isOver = ['SUCCEEDED', 'FAILED', 'STOPPED'].includes(ours);
    expect(seen?.finishedAt).toBe(isOver ? 1_100_000 : null);
  });

  test.for([12, 'JOB_STATE_DREAMING'])('state %s, unknown to us, goes on', (state, { expect }) => {
    const unknown = { ...job({}), state } as CustomJob;
    expect(observationOf(READING, unknown)).toMatchObject({ state: 'RUNNING', finishedAt: null });
    const waiting = { ...unknown, startTime: null };
    expect(observationOf(READING, waiting)).toMatchObject({ state: 'SUBMITTED' });
  });

  test.for([
    [
      3,
      `The replica workerpool0-0 exited with a non-zero status of 3. ${LOGS}`,
      'exit-code',
      3,
      /^Exit code 3\.$/,
    ],
    [
      3,
      `The replica workerpool0-0 exited with a non-zero status of 139(SIGSEGV). ${LOGS}`,
      'exit-code',
      139,
      /SIGSEGV/,
    ],
    [
      3,
      `The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: Error.\nCUDA out of memory, non-zero status of 9`,
      'exit-code',
      1,
      /1/,
    ],
    [
      9,
      `The replica workerpool0-0 ran out-of-memory and exited with a non-zero status of 137(SIGKILL). ${LOGS}`,
      'out-of-memory',
      137,
      /--machine_type/,
    ],
    [
      3,
      `The replica workerpool0-0 exited with a non-zero status of 137. Termination reason: OOMKilled. ${LOGS}`,
      'out-of-memory',
      137,
      /memory/,
    ],
    [
      14,
      'Resources are insufficient in region: us-central1. Please try a different region.',
      'platform',
      null,
      /No machine was free/,
    ],
    [8, 'STOCKOUT', 'platform', null, /No machine was free/],
    [
      8,
      'The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus',
      'platform',
      null,
      /quota custom_model_training_nvidia_t4_gpus does not/,
    ],
    [14, 'The VM was preempted.', 'preempted', null, /taken away/],
    [
      7,
      'Permission denied for image us-docker.pkg.dev/p/r/i',
      'platform',
      null,
      /artifactregistry\.reader/,
    ],
    [13, 'Internal error occurred.', 'platform', null, /^Vertex AI: Internal/],
    [13, '', 'platform', null, /does not say why/],
  ] as const)('error %i %j', ([code, message, cause, exitCode, words], { expect }) => {
    const failed = job({ state: 'JOB_STATE_FAILED', error: { code, message } });
    const seen = observationOf(READING, failed);
    expect(seen).toMatchObject({ state: 'FAILED', exitCode, cause: { code: cause } });
    expect(seen?.cause.message).toMatch(words);
  });

  test('a long message is cut', ({ expect }) => {
    const error = { code: 13, message: 'x'.repeat(100_000) };
    const seen = observationOf(READING, job({ state: 'JOB_STATE_FAILED', error }));
    expect(seen?.cause.message.length).toBeLessThan(1_100);
  });

  test.for([
    ['', 'Cancelled on Vertex AI.'],
    ['CANCELED', 'Cancelled on Vertex AI.'],
    ['Cancelled by a@b', 'Cancelled on Vertex AI. Cancelled by a@b.'],
  ] as const)(
    'who was cancelled (%j) is told so, and not by whom',
    ([message, words], { expect }) => {
      const ended = job({ state: 'JOB_STATE_CANCELLED', error: { code: 1, message } });
      const cause = { code: 'stop-requested', message: words };
      expect(observationOf(READING, ended)).toMatchObject({ state: 'STOPPED', cause });
    },
  );

  test('who ran as long as the time limit was ended by it', ({ expect }) => {
    const ended = job({
      state: 'JOB_STATE_CANCELLED',
      startTime: { seconds: 1_060 },
      endTime: { seconds: 1_060 + 3_600 },
      error: { code: 1, message: 'CANCELED' },
    });
    expect(observationOf(READING, ended)?.cause).toEqual({
      code: 'platform',
      message: 'Ended by Vertex AI at its time limit of 1 h. CANCELED.',
    });
  });
});
