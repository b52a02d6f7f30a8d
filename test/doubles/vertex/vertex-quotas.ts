import type { QuotaUse } from '../google-api/quotas.ts';
import type { Machine } from './custom-job.ts';
import type { Places } from './places.ts';

/** Creations and deletions: 60 a minute and region (Quotas and limits of Vertex AI, read 2026-08). */
export function submissionQuota(places: Places, resource: string): QuotaUse {
  const metric = 'aiplatform.googleapis.com/job_or_lro_submission_requests';
  return { metric, perMinute: 60, ...places.quotaScope(resource) };
}

/** All other calls: 600 a minute and region (same page). */
export function otherQuota(places: Places, resource: string): QuotaUse {
  const metric = 'aiplatform.googleapis.com/resource_management_requests';
  return { metric, perMinute: 600, ...places.quotaScope(resource) };
}

/** What a creation is told when no machines are left. */
export function shortageText(metric: string): string {
  return `The following quota metrics exceed quota limits: aiplatform.googleapis.com/${metric}`;
}

/** The metric of the machines a job wants. */
export function trainingMetric(machine: Machine | null | undefined): string {
  const type = String(machine?.acceleratorType ?? '').toLowerCase();
  if (type.startsWith('nvidia')) return `custom_model_training_${type.replace('tesla_', '')}_gpus`;
  return type.startsWith('tpu') ? `custom_model_training_${type}` : 'custom_model_training_cpus';
}
