import { type ApiStatus, invalidArgument } from '../google-api/api-status.ts';

/** One thing that is wrong with a request. */
export interface Violation {
  /** As in `job_spec.worker_pool_specs[0].machine_spec.machine_type`. */
  readonly field: string;
  readonly message: string;
}

export function missing(field: string): Violation {
  return { field, message: 'Required field is not set.' };
}

/** All that is wrong in one refusal, in the form Vertex AI has for it. */
export function refusal(violations: readonly Violation[]): ApiStatus {
  const found = violations.map(
    ({ field, message }, index) => `${index + 1}.Field: ${field}; Message: ${message}\t`,
  );
  return invalidArgument(`List of found errors:\t${found.join('')}`);
}
