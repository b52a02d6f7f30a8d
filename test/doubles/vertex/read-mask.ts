import { invalidArgument } from '../google-api/api-status.ts';
import { loadProtos } from '../google-api/protos.ts';
import { JOB_PROTO } from './custom-job.ts';

/** `google.protobuf.FieldMask`. */
export interface FieldMask {
  readonly paths: readonly string[];
}

/** Keeps the named fields of a job; no mask, no path or `*`: all. Paths are in snake case. Throws ApiStatus INVALID_ARGUMENT. */
export function masking(mask: FieldMask | null): (job: object) => object {
  const paths = mask?.paths ?? [];
  if (paths.length === 0 || paths.includes('*')) return (job) => job;
  const known = fieldNames();
  for (const path of paths) {
    const [first = ''] = path.split('.');
    if (!known.includes(first)) throw invalidArgument(`Invalid read_mask: unknown field ${path}.`);
  }
  return (job) => {
    const kept = {};
    for (const path of paths) copy(job, kept, path.split('.').map(camelCase));
    return kept;
  };
}

function copy(from: object, to: object, [field = '', ...rest]: readonly string[]): void {
  const value: unknown = Reflect.get(from, field);
  if (value === undefined || value === null) return;
  if (rest.length === 0 || typeof value !== 'object' || Array.isArray(value)) {
    Reflect.set(to, field, value);
    return;
  }
  const inner: unknown = Reflect.get(to, field) ?? {};
  if (typeof inner !== 'object' || inner === null) return;
  Reflect.set(to, field, inner);
  copy(value, inner, rest);
}

function fieldNames(): readonly string[] {
  const definition = loadProtos(JOB_PROTO)['google.cloud.aiplatform.v1.CustomJob'];
  const type = definition !== undefined && 'type' in definition ? definition.type : {};
  const fields = 'field' in type && Array.isArray(type.field) ? type.field : [];
  return fields.map((field: { name: string }) =>
    field.name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
}

function camelCase(path: string): string {
  return path.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
