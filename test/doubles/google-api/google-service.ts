import type { QuotaUse } from './quotas.ts';

/** One method of a double. Fields are in camel case; longs and enums are strings, absent messages null. */
export interface GoogleMethod {
  /** Field of the request that the routing header must carry (`parent`, `name`, `customJob.name`); null for methods without. */
  readonly routing: string | null;
  /** What a call counts against, before anything else happens. May throw ApiStatus. */
  quota?(request: object): QuotaUse;
  /** The effect and the reply. Throws ApiStatus to refuse. */
  handle(request: object, call: GoogleCall): object | Promise<object>;
}

/** One call, besides its request. */
export interface GoogleCall {
  /** As in `CreateCustomJob`. */
  readonly method: string;
  /** What the client sends besides: its headers, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborted when the client has gone or its deadline has passed. */
  readonly signal: AbortSignal;
}

/** A service of a published API, as doubles write it. Methods that are left out answer UNIMPLEMENTED. */
export interface GoogleService {
  /** Path of the .proto file, as imports name it. */
  readonly proto: string;
  /** Full name, as in `google.cloud.aiplatform.v1.JobService`. */
  readonly name: string;
  readonly methods: Readonly<Record<string, GoogleMethod>>;
}
