/** A refusal of the API: an HTTP status and the reason word of its error body. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** The 404 of an object that is not there. */
export function noObject(bucket: string, name: string): ApiFailure {
  return new ApiFailure(404, 'notFound', `No such object: ${bucket}/${name}`);
}

/** The 412 of a precondition that does not hold. */
export function conditionNotMet(): ApiFailure {
  const message = 'At least one of the pre-conditions you specified did not hold.';
  return new ApiFailure(412, 'conditionNotMet', message);
}

/** The 400 of a request that makes no sense. */
export function badRequest(message: string): ApiFailure {
  return new ApiFailure(400, 'invalid', message);
}

/** The error body of the JSON API. */
export function failureBody({ status, reason, message }: ApiFailure) {
  const errors = [{ domain: 'global', reason, message }];
  return { error: { code: status, message, errors } };
}
