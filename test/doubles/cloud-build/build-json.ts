import type { Build } from './build-record.ts';

const DURATIONS = ['timeout', 'queueTtl'];
/** Names of enum values that are 0, and therefore left out: cloudbuild.proto. */
const ZEROS = [
  ...['STATUS_UNKNOWN', 'NOT_VERIFIED', 'UNSPECIFIED', 'MUST_MATCH', 'STREAM_DEFAULT'],
  ...['LOGGING_UNSPECIFIED', 'DEFAULT_LOGS_BUCKET_BEHAVIOR_UNSPECIFIED', 'HASH_TYPE_UNSPECIFIED'],
  ...['SOURCE_FETCHER_UNSPECIFIED', 'FAILURE_TYPE_UNSPECIFIED', 'PRIORITY_UNSPECIFIED'],
];
const MAPS = ['substitutions'];

/** The build in the JSON form of protocol buffers, as notifications carry it: defaults left out, times in RFC 3339, bytes in base64. */
export function buildJson(build: Build): object {
  return message(build);
}

function message(value: object): object {
  const fields = Object.entries(value)
    .filter(([key, field]) => !isOneofCase(value, key, field) && !isDefault(field))
    .map(([key, field]) => [key, MAPS.includes(key) ? field : json(key, field)]);
  return Object.fromEntries(fields);
}

function json(key: string, value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map((item) => json(key, item));
  if (!isObject(value)) return value;
  if (!('seconds' in value && 'nanos' in value)) return message(value);
  const seconds = Number(value.seconds);
  const nanos = Number(value.nanos);
  if (DURATIONS.includes(key)) return `${seconds + nanos / 1e9}s`;
  const fraction =
    nanos === 0
      ? ''
      : `.${String(nanos)
          .padStart(9, '0')
          .replace(/(000)+$/, '')}`;
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}${fraction}Z`;
}

/** `loadSync` with `oneofs` adds the name of the case that is set, as in `source: 'storageSource'`. */
function isOneofCase(parent: object, key: string, value: unknown): boolean {
  if (key.startsWith('_')) return true;
  return (
    typeof value === 'string' && isObject(Object.entries(parent).find(([k]) => k === value)?.[1])
  );
}

function isDefault(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === 0) return true;
  if (value === false || value === '0') return true;
  if (typeof value === 'string') return ZEROS.includes(value);
  if (Buffer.isBuffer(value) || Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
