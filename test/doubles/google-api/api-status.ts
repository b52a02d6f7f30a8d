import { Metadata, type ServiceError, StatusBuilder, status } from '@grpc/grpc-js';
import { encodeAny, encodeMessage } from './protos.ts';

/** What `google.rpc.ErrorInfo` tells; clients of Google read `reason` from it. */
export interface ErrorInfo {
  readonly reason: string;
  /** As in `aiplatform.googleapis.com`. */
  readonly domain: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A refusal of a Google API: thrown by a method, sent as the gRPC status. `code`: of `status` of grpc-js. */
export class ApiStatus extends Error {
  readonly code: number;
  readonly info: ErrorInfo | undefined;

  constructor(code: number, message: string, info?: ErrorInfo) {
    super(message);
    this.code = code;
    this.info = info;
  }
}

export function invalidArgument(message: string): ApiStatus {
  return new ApiStatus(status.INVALID_ARGUMENT, message);
}

export function notFound(message: string): ApiStatus {
  return new ApiStatus(status.NOT_FOUND, message);
}

/** What grpc-js sends for whatever was thrown; anything but an ApiStatus is a bug of the double, and says so. */
export function toWire(error: unknown): Partial<ServiceError> {
  if (!(error instanceof ApiStatus)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new StatusBuilder()
      .withCode(status.INTERNAL)
      .withDetails(`a bug of the double: ${text}`)
      .build();
  }
  const { code, message, info } = error;
  const builder = new StatusBuilder().withCode(code).withDetails(message);
  if (info === undefined) return builder.build();
  const metadata = new Metadata();
  const details = [encodeAny('google.rpc.ErrorInfo', { metadata: {}, ...info })];
  metadata.set(
    'grpc-status-details-bin',
    encodeMessage('google.rpc.Status', { code, message, details }),
  );
  return builder.withMetadata(metadata).build();
}
