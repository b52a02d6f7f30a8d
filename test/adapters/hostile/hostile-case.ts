import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import type { Answer, HostileService } from './hostile-service.ts';

/** One bad request and the refusal it must get. */
export interface HostileCase {
  /** What is wrong. */
  readonly name: string;
  readonly code: ErrorCode;
  /** What the message must name: the field, the value or the limit. */
  readonly says: string | RegExp;
  readonly send: (service: HostileService) => Promise<Answer>;
}
