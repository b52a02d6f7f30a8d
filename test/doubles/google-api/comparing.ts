import { invalidArgument } from './api-status.ts';
import type { Operator } from './filter.ts';

/** Whether an ordering (below 0, 0, above 0) of left and right satisfies an operator; `:` as `=`. */
export function holds(operator: Operator, ordering: number): boolean {
  switch (operator) {
    case '<':
      return ordering < 0;
    case '<=':
      return ordering <= 0;
    case '>':
      return ordering > 0;
    case '>=':
      return ordering >= 0;
    case '!=':
      return ordering !== 0;
    case '=':
    case ':':
      return ordering === 0;
  }
}

export function ordered<T extends string | number | bigint>(left: T, right: T): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** `google.protobuf.Timestamp` as it goes over the wire. */
export interface WireTimestamp {
  readonly seconds: string;
  readonly nanos: number;
}

const NANOS = 1_000_000_000n;

/** Of UTC nanoseconds. */
export function timestampOfNanos(nanos: bigint): WireTimestamp {
  return { seconds: String(nanos / NANOS), nanos: Number(nanos % NANOS) };
}

/** Of UTC milliseconds. */
export function timestampOf(ms: number): WireTimestamp {
  return timestampOfNanos(nanosOfMs(ms));
}

export function nanosOfMs(ms: number): bigint {
  return BigInt(Math.floor(ms * 1000)) * 1000n;
}

export function nanosOf(time: WireTimestamp): bigint {
  return BigInt(time.seconds) * NANOS + BigInt(time.nanos);
}

const RFC3339 = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** UTC nanoseconds of an RFC 3339 text. Throws ApiStatus INVALID_ARGUMENT. */
export function parseTimestamp(text: string): bigint {
  const [, seconds, fraction = '', zone = ''] = RFC3339.exec(text) ?? [];
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms)) throw invalidArgument(`Invalid timestamp, RFC 3339 is expected: ${text}`);
  return nanosOfMs(ms) + BigInt(fraction.padEnd(9, '0'));
}
