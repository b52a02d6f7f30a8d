import { type handleUnaryCall, status } from '@grpc/grpc-js';
import type { Clock } from '../../../functions/ports/runtime.ts';
import { ApiStatus, invalidArgument, toWire } from './api-status.ts';
import type { Credentials } from './credentials.ts';
import type { Fault, Faults } from './faults.ts';
import type { GoogleCall, GoogleMethod } from './google-service.ts';
import type { Quotas } from './quotas.ts';

/** A call that came in. */
export interface SeenCall {
  readonly method: string;
  readonly request: object;
  /** UTC milliseconds of the double's clock. */
  readonly at: number;
  /** What was done to it, if anything. */
  readonly fault: Fault | null;
}

export interface Answering {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly quotas: Quotas;
  readonly credentials: Credentials;
  readonly seen: SeenCall[];
}

const CALLS_KEPT = 10_000;
const ROUTING_HEADER = 'x-goog-request-params';

/** Makes gRPC handlers of methods: sign-in, routing header, faults and quotas come before the effect, lost and slow replies after it. */
export function answering(deps: Answering) {
  return (name: string, method: GoogleMethod): handleUnaryCall<object, object> =>
    (call, callback) => {
      const gone = new AbortController();
      call.on('cancelled', () => gone.abort(new Error('the client has gone')));
      const headers = Object.fromEntries(
        Object.entries(call.metadata.getMap()).map(([key, value]) => [key, String(value)]),
      );
      const about = { method: name, headers, signal: gone.signal };
      answer(deps, { method, request: call.request, about }).then(
        (reply) => callback(null, reply),
        (error: unknown) => callback(toWire(error)),
      );
    };
}

interface Asked {
  readonly method: GoogleMethod;
  readonly request: object;
  readonly about: GoogleCall;
}

async function answer(deps: Answering, { method, request, about }: Asked): Promise<object> {
  checkSignIn(deps.credentials, about);
  checkRouting(method, about);
  const fault = deps.faults.next(about.method);
  remember(deps, { method: about.method, request, at: deps.clock.now(), fault });
  if (fault?.kind === 'refuse') throw new ApiStatus(fault.code, fault.message);
  if (method.quota !== undefined) deps.quotas.spend(method.quota(request));
  const reply = await method.handle(request, about);
  if (fault?.kind === 'lose') throw new ApiStatus(fault.code, fault.message);
  if (fault?.kind === 'delay') await deps.clock.sleep(fault.ms, about.signal);
  return reply;
}

function checkSignIn(credentials: Credentials, { headers }: GoogleCall): void {
  if (credentials.accepts(headers['authorization'])) return;
  throw new ApiStatus(
    status.UNAUTHENTICATED,
    'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
    { reason: 'ACCESS_TOKEN_TYPE_UNSUPPORTED', domain: 'googleapis.com' },
  );
}

function checkRouting({ routing }: GoogleMethod, { headers, method }: GoogleCall): void {
  if (routing === null) return;
  const params = new URLSearchParams(headers[ROUTING_HEADER] ?? '');
  if ((params.get(routing) ?? '') !== '') return;
  throw invalidArgument(`${method}: the routing header ${ROUTING_HEADER} has no '${routing}'.`);
}

function remember({ seen }: Answering, call: SeenCall): void {
  seen.push(call);
  if (seen.length > CALLS_KEPT) seen.shift();
}
