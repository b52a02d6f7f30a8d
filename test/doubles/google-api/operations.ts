import { notFound } from './api-status.ts';
import type { GoogleService } from './google-service.ts';
import type { WireAny } from './protos.ts';

/** `google.longrunning.Operation`; `metadata` and `response` by `encodeAny`. */
export interface Operation {
  readonly name: string;
  readonly done: boolean;
  readonly metadata?: WireAny;
  readonly response?: WireAny;
  readonly error?: { readonly code: number; readonly message: string };
}

export interface Operations {
  /** Whoever knows operations by name joins; undefined: not one of its. */
  join(find: (name: string) => Operation | undefined): void;
  /** The service, for the server. */
  readonly service: GoogleService;
}

/** google.longrunning.Operations for all services of one server: GetOperation only. */
export function createOperations(): Operations {
  const finders: ((name: string) => Operation | undefined)[] = [];
  return {
    join: (find) => void finders.push(find),
    service: {
      proto: 'google/longrunning/operations.proto',
      name: 'google.longrunning.Operations',
      methods: {
        GetOperation: {
          // `operation.promise()` of google-gax asks without the header (6.17.0, tried 2026-12).
          routing: null,
          handle({ name }: { name: string }) {
            for (const find of finders) {
              const found = find(name);
              if (found !== undefined) return found;
            }
            throw notFound(`Operation not found: ${name}`);
          },
        },
      },
    },
  };
}
