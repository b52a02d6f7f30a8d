import type { PlatformKind } from './platform-kind.ts';

const VERTEX_REF = /^projects\/([^/]+)\/locations\/([a-z0-9-]+)\/customJobs\/([0-9]{1,20})$/;

/**
 * Where a job is looked at in the console of its platform (as google/cloud/aiplatform/jobs.py prints it, read 2026-11); null for platforms
 * without one, and for what is no name of a job there.
 */
export function consoleLinkOf(platform: PlatformKind, ref: string | null): string | null {
  if (platform !== 'vertex' || ref === null) return null;
  const [, project, region, id] = VERTEX_REF.exec(ref) ?? [];
  if (project === undefined || region === undefined || id === undefined) return null;
  return `https://console.cloud.google.com/ai/platform/locations/${region}/training/${id}?project=${project}`;
}
