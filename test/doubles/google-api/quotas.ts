import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../functions/ports/runtime.ts';
import { ApiStatus } from './api-status.ts';

/** What a call counts against. */
export interface QuotaUse {
  /** Host of the API and name of the metric: `aiplatform.googleapis.com/job_or_lro_submission_requests`. */
  readonly metric: string;
  readonly perMinute: number;
  readonly projectNumber: string;
  /** Null for a quota of the whole project. */
  readonly region: string | null;
}

export interface Quotas {
  /** Counts one call. Throws ApiStatus RESOURCE_EXHAUSTED when the minute's are used up. */
  spend(use: QuotaUse): void;
  /** From now on this metric has another limit. */
  limit(metric: string, perMinute: number): void;
}

/** Token buckets: full at first, refilled evenly, one per metric, project and region. */
export function createQuotas(clock: Clock): Quotas {
  const limits = new Map<string, number>();
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    limit(metric, perMinute) {
      limits.set(metric, perMinute);
      buckets.clear();
    },
    spend(use) {
      const size = limits.get(use.metric) ?? use.perMinute;
      const key = `${use.metric} ${use.projectNumber} ${use.region}`;
      const now = clock.now();
      const { tokens, at } = buckets.get(key) ?? { tokens: size, at: now };
      const refilled = Math.min(size, tokens + ((now - at) / 60_000) * size);
      if (refilled < 1) throw exceeded(use);
      buckets.set(key, { tokens: refilled - 1, at: now });
    },
  };
}

/** The refusal of a quota, in the words of Google's Service Control. */
export function exceeded({
  metric,
  projectNumber,
  region,
}: Omit<QuotaUse, 'perMinute'>): ApiStatus {
  const [service = ''] = metric.split('/');
  const consumer = `project_number:${projectNumber}`;
  const per = region === null ? 'per minute' : 'per minute per region';
  return new ApiStatus(
    status.RESOURCE_EXHAUSTED,
    `Quota exceeded for quota metric '${metric}' and limit '${metric} ${per}' of service '${service}' for consumer '${consumer}'.`,
    {
      reason: 'RATE_LIMIT_EXCEEDED',
      domain: 'googleapis.com',
      metadata: {
        service,
        quota_metric: metric,
        consumer: `projects/${projectNumber}`,
        ...(region === null ? {} : { quota_location: region }),
      },
    },
  );
}
