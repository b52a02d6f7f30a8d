import type { FailureType } from './build-record.ts';

/** Why a build that runs is to stop. */
export class BuildStop extends Error {
  readonly status: 'TIMEOUT' | 'CANCELLED';

  constructor(status: 'TIMEOUT' | 'CANCELLED') {
    super(status === 'TIMEOUT' ? 'context deadline exceeded' : 'context canceled');
    this.status = status;
  }
}

/** Why a build failed. */
export class BuildFailure extends Error {
  readonly type: FailureType;

  constructor(type: FailureType, message: string) {
    super(message);
    this.type = type;
  }
}
