import { status } from '@grpc/grpc-js';
import { ApiStatus } from '../google-api/api-status.ts';
import { timestampOf } from '../google-api/comparing.ts';
import type { GoogleMethod } from '../google-api/google-service.ts';
import type { Operation } from '../google-api/operations.ts';
import { encodeAny, loadProtos } from '../google-api/protos.ts';
import { hasEnded } from './custom-job.ts';
import type { VertexParts } from './vertex-parts.ts';
import { submissionQuota } from './vertex-quotas.ts';

/** DeleteCustomJob: an operation that is done at once. Jobs that have not ended are refused. */
export function deletion({ api, book, runs, places }: VertexParts): GoogleMethod {
  loadProtos('google/protobuf/empty.proto');
  loadProtos('google/cloud/aiplatform/v1/operation.proto');
  const operations = new Map<string, Operation>();
  api.operations.join((name) => operations.get(name));
  return {
    routing: 'name',
    quota: ({ name }: { name: string }) => submissionQuota(places, name),
    handle({ name }: { name: string }) {
      runs.settle();
      const record = book.find(places.jobName(name));
      if (!hasEnded(record.job.state)) {
        const message = `The CustomJob ${record.job.name} cannot be deleted: its state is ${record.job.state}. Cancel it first.`;
        throw new ApiStatus(status.FAILED_PRECONDITION, message);
      }
      book.delete(record);
      const time = timestampOf(api.clock.now());
      const operation = {
        name: `${record.job.name}/operations/${operations.size + 1}`,
        done: true,
        metadata: encodeAny('google.cloud.aiplatform.v1.DeleteOperationMetadata', {
          genericMetadata: { createTime: time, updateTime: time },
        }),
        response: encodeAny('google.protobuf.Empty', {}),
      };
      operations.set(operation.name, operation);
      return operation;
    },
  };
}
