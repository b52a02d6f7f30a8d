import { describe, test } from 'vitest';
import { refusalOf } from '../../../../../functions/adapters/gcp/vertex-refusals.ts';

function error(code: number, details: string, quotaMetric?: string): Error {
  const info =
    quotaMetric === undefined ? {} : { errorInfoMetadata: { quota_metric: quotaMetric } };
  return Object.assign(new Error(`${code} X: ${details}`), { code, details, ...info });
}

describe('refusal of a create', () => {
  test.for([
    [
      8,
      "Quota exceeded for quota metric 'Job or LRO submission requests' and limit 'Job or LRO submission requests per minute per region'",
      15_000,
    ],
    [8, 'Quota exceeded for aiplatform.googleapis.com/job_or_lro_submission_requests', 15_000],
    [
      8,
      'The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_nvidia_v100_gpus',
      300_000,
    ],
    [8, 'The following quotas are exceeded: CustomModelTrainingCPUsPerProjectPerRegion', 300_000],
    [8, 'Something ran out.', 300_000],
    [14, 'Getting metadata from plugin failed with error: fetch failed', 30_000],
    [16, 'Getting metadata from plugin failed with error: fetch failed', 30_000],
  ] as const)('%i %s: asked again after a while', ([code, words, retryAfterMs], { expect }) => {
    expect(refusalOf(error(code, words))).toMatchObject({ kind: 'quota', retryAfterMs });
  });

  test('names the quota, also one that only the details name', ({ expect }) => {
    const metric = 'aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus';
    const refusal = refusalOf(error(8, 'Quota exceeded.', metric));
    expect(refusal?.message).toContain(metric);
    expect(refusal?.retryAfterMs).toBe(300_000);
  });

  test.for([
    [5, 'Network not found', /network/],
    [7, 'You do not have permission to act as service_account: a@b', /serviceAccountUser/],
    [
      7,
      'Vertex AI API has not been used in project 1 before or it is disabled.',
      /gcloud services enable/,
    ],
    [7, "Permission 'aiplatform.customJobs.create' denied", /aiplatform\.user/],
    [9, 'Service account is disabled.', /set up/],
    [16, 'Request had invalid authentication credentials.', /sign in/],
  ] as const)('%i %s: no fault of the job, which waits, with a hint', (row, { expect }) => {
    const [code, words, hint] = row;
    const refusal = refusalOf(error(code, words));
    expect(refusal).toMatchObject({
      kind: 'quota',
      retryAfterMs: 300_000,
      hint: expect.stringMatching(hint),
    });
    expect(refusal?.message).toContain(words);
    expect(refusal?.message).toMatch(/[^.]\.$/);
  });

  test.for([
    [3, 'Machine type "x" is not supported.', /machine type/],
    [8, 'Received message larger than max (9 vs. 4)', /file/],
  ] as const)('%i %s: final, with a hint', ([code, words, hint], { expect }) => {
    const refusal = refusalOf(error(code, words));
    expect(refusal).toMatchObject({ kind: 'permanent', hint: expect.stringMatching(hint) });
    expect(refusal?.message).toContain(words);
  });

  test.for([1, 2, 4, 6, 10, 11, 12, 13, 14, 15])('code %i: nobody knows', (code, { expect }) => {
    expect(refusalOf(error(code, 'x'))).toBeNull();
  });

  test('what is no answer of Google: nobody knows', ({ expect }) => {
    expect(refusalOf(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))).toBeNull();
    expect(refusalOf('x')).toBeNull();
  });
});
