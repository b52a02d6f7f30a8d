import { status } from '@grpc/grpc-js';
import { ApiStatus } from '../google-api/api-status.ts';
import { timestampOf } from '../google-api/comparing.ts';
import type { GoogleApi } from '../google-api/google-api.ts';
import type { GoogleMethod } from '../google-api/google-service.ts';
import { type CustomJob, hasEnded, type JobRequest } from './custom-job.ts';
import { checkJob } from './job-checks.ts';
import type { VertexParts } from './vertex-parts.ts';
import { otherQuota, shortageText, submissionQuota, trainingMetric } from './vertex-quotas.ts';

/** CreateCustomJob. There is no request id: two calls are two jobs. */
export function creation({ api, book, runs, places, refusesWhenFull }: VertexParts): GoogleMethod {
  return {
    routing: 'parent',
    quota: ({ parent }: { parent: string }) => submissionQuota(places, parent),
    handle({ parent, customJob }: { parent: string; customJob: JobRequest | null }) {
      const { displayName, jobSpec, labels } = checkJob(customJob);
      const place = places.of(parent);
      runs.settle();
      if (refusesWhenFull && runs.isFull(place.region)) {
        const metric = trainingMetric(jobSpec.workerPoolSpecs[0]?.machineSpec);
        throw new ApiStatus(status.RESOURCE_EXHAUSTED, shortageText(metric));
      }
      const createdAt = api.clock.now();
      const time = timestampOf(createdAt);
      const id = numericId(api);
      const job: CustomJob = {
        name: `${place.parent}/customJobs/${id}`,
        displayName,
        jobSpec,
        labels,
        state: 'JOB_STATE_QUEUED',
        createTime: time,
        updateTime: time,
      };
      runs.begin(book.add({ ...place, id, createdAt, job }));
      return job;
    },
  };
}

/** GetCustomJob. */
export function reading({ book, runs, places }: VertexParts): GoogleMethod {
  return {
    routing: 'name',
    quota: ({ name }: { name: string }) => otherQuota(places, name),
    handle({ name }: { name: string }) {
      runs.settle();
      return book.find(places.jobName(name)).job;
    },
  };
}

/** CancelCustomJob. That an ended job is refused is not documented. */
export function cancellation({ book, runs, places }: VertexParts): GoogleMethod {
  return {
    routing: 'name',
    quota: ({ name }: { name: string }) => otherQuota(places, name),
    handle({ name }: { name: string }) {
      runs.settle();
      const record = book.find(places.jobName(name));
      if (hasEnded(record.job.state)) {
        const message = `The CustomJob ${record.job.name} cannot be cancelled: its state is ${record.job.state}.`;
        throw new ApiStatus(status.FAILED_PRECONDITION, message);
      }
      runs.cancel(record);
      return {};
    },
  };
}

/** As Google's: up to 19 digits, in no order. */
function numericId({ random }: GoogleApi): string {
  const part = () => String(Math.floor(random.next() * 1e9)).padStart(9, '0');
  return `${1 + Math.floor(random.next() * 8)}${part()}${part()}`;
}
