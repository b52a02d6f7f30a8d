/** What a fault is decided from. */
export interface SeenRequest {
  readonly method: string;
  /** Without `/storage/v1`, not decoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** This request is the n-th of all, from 1. */
  readonly count: number;
}

/** What goes wrong with one request. */
export type Fault =
  /** Answered at once, nothing done. */
  | { readonly status: 429 | 500 | 502 | 503 | 404 | 410; readonly retryAfterSeconds?: number }
  /** The connection ends after so many bytes of the body. */
  | { readonly cutAfterBytes: number }
  /** Done, but the connection ends instead of the answer. */
  | { readonly loseReply: true }
  /** Done only once this has settled. */
  | { readonly until: Promise<unknown> };

/** Chooses the fault of a request; undefined: none. */
export type FaultHook = (request: SeenRequest) => Fault | undefined;

/** One fault for the n-th request that fits, none for the others. */
export function onNth(n: number, fits: (request: SeenRequest) => boolean, fault: Fault): FaultHook {
  let seen = 0;
  return (request) => (fits(request) && ++seen === n ? fault : undefined);
}

/** Whether a request is a PUT of bytes to an upload session, not a status query. */
export function isChunk({ method, headers }: SeenRequest): boolean {
  return method === 'PUT' && !String(headers['content-range'] ?? 'bytes */').startsWith('bytes */');
}
