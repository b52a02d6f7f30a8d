import { invalidArgument } from '../google-api/api-status.ts';
import { holds, nanosOf, ordered, parseTimestamp } from '../google-api/comparing.ts';
import {
  type Comparison,
  compileFilter,
  type Operator,
  parseFilter,
} from '../google-api/filter.ts';
import { type CustomJob, enumNames } from './custom-job.ts';

type Predicate = (job: CustomJob) => boolean;

const MEANINGS: Readonly<Record<string, (comparison: Comparison) => Predicate>> = {
  display_name: displayName,
  state,
  create_time: createTime,
  labels,
};

/** A predicate of the filter of ListCustomJobs, as job_service.proto describes it. Throws ApiStatus INVALID_ARGUMENT. */
export function compileJobFilter(text: string): Predicate {
  return compileFilter(parseFilter(text, { juxtaposition: false }), (comparison) => {
    const field = comparison.path[0] ?? '';
    const meaning = MEANINGS[field];
    if (meaning === undefined) throw invalidArgument(`Invalid filter: unknown field ${field}.`);
    if (field !== 'labels' && comparison.path.length > 1) {
      throw invalidArgument(`Invalid filter: ${field} has no fields.`);
    }
    return meaning(comparison);
  });
}

function displayName({ operator, value }: Comparison): Predicate {
  allow('display_name', operator, ['=', '!=', ':']);
  if (operator !== ':') return (job) => holds(operator, ordered(job.displayName, value));
  const parts = value.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`, 's');
  return (job) => pattern.test(job.displayName);
}

function state({ operator, value }: Comparison): Predicate {
  allow('state', operator, ['=', '!=']);
  if (!enumNames('google.cloud.aiplatform.v1.JobState').includes(value)) {
    throw invalidArgument(`Invalid filter: unknown state ${value}.`);
  }
  return (job) => holds(operator, ordered<string>(job.state, value));
}

function createTime({ operator, value }: Comparison): Predicate {
  allow('create_time', operator, ['=', '!=', '<', '<=', '>', '>=']);
  const time = parseTimestamp(value);
  return (job) => holds(operator, ordered(nanosOf(job.createTime), time));
}

/** `labels.key=value`, `labels.key:*`, and the map form `labels:key` of AIP-160. */
function labels({ path, operator, value }: Comparison): Predicate {
  const [, key, ...more] = path;
  if (key === undefined) {
    allow('labels', operator, [':']);
    return (job) => value in job.labels;
  }
  if (more.length > 0) throw invalidArgument(`Invalid filter: unknown field ${path.join('.')}.`);
  allow(`labels.${key}`, operator, ['=', ':']);
  if (operator === '=') return (job) => job.labels[key] === value;
  if (value !== '*') throw invalidArgument(`Invalid filter: labels.${key}: takes only *.`);
  return (job) => key in job.labels;
}

function allow(field: string, operator: Operator, allowed: readonly Operator[]): void {
  if (allowed.includes(operator)) return;
  throw invalidArgument(`Invalid filter: ${field} does not support ${operator}.`);
}
