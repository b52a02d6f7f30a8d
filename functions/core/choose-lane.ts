import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { CoreDeps, LaneSetting } from './deps.ts';

/** What of a request says where its jobs go. */
export type WantedPlace = Pick<SubmissionSpec, 'platform' | 'projectId' | 'hardware'>;

/**
 * The lane of a request: of its platform, in its project and region where the platform has those; what it leaves open is the service's
 * first. Throws AppError PLATFORM_UNSUPPORTED, which names what there is.
 */
export function chooseLane(
  { lanes, defaultPlatform }: Pick<CoreDeps, 'lanes' | 'defaultPlatform'>,
  { platform: asked, projectId, hardware: { region } }: WantedPlace,
): LaneSetting {
  const platform = asked ?? defaultPlatform;
  const ofPlatform = lanes.filter((lane) => lane.platform === platform);
  const [first] = ofPlatform;
  if (first === undefined) {
    throw unsupported(`This service does not run jobs on ${platform}.`, {
      hint: `It has: ${listed(lanes.map((lane) => lane.platform))}.`,
    });
  }
  if (first.place === undefined) return first;
  const project = projectId ?? first.place.project;
  const ofProject = ofPlatform.filter(({ place }) => place?.project === project);
  if (ofProject.length === 0) {
    throw unsupported(`This service runs no ${platform} jobs in project ${project}.`, {
      hint: `Its projects are: ${listed(ofPlatform.map(({ place }) => place?.project))} (--project_id).`,
    });
  }
  const lane =
    region === null ? ofProject[0] : ofProject.find(({ place }) => place?.region === region);
  if (lane === undefined) {
    throw unsupported(`This service runs no ${platform} jobs in region ${region} of ${project}.`, {
      hint: `Its regions there are: ${listed(ofProject.map(({ place }) => place?.region))} (--region).`,
    });
  }
  return lane;
}

function listed(values: readonly (string | undefined)[]): string {
  return [...new Set(values.filter((value) => value !== undefined))].join(', ');
}

function unsupported(message: string, { hint }: { readonly hint: string }): AppError {
  return new AppError('PLATFORM_UNSUPPORTED', message, { hint });
}
