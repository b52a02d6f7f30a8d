import { status } from '@grpc/grpc-js';
import { ApiStatus } from './api-status.ts';

/** A project as names of resources know it: requests may say either, replies say the number. */
export interface Project {
  readonly id: string;
  readonly number: string;
}

/** The project of a double when none is named. */
export const TEST_PROJECT: Project = { id: 'test-project', number: '123456789012' };

/** Finds a project by id or number. */
export type FindProject = (idOrNumber: string, resource: string) => Project;

/** Throws PERMISSION_DENIED for projects that are not there, as Google does, so that none can be guessed. `resource`: what was asked for. */
export function createProjects(projects: readonly Project[]): FindProject {
  return (idOrNumber, resource) => {
    const found = projects.find(({ id, number }) => id === idOrNumber || number === idOrNumber);
    if (found !== undefined) return found;
    throw new ApiStatus(
      status.PERMISSION_DENIED,
      `Permission denied on resource '${resource}' (or it may not exist).`,
      { reason: 'IAM_PERMISSION_DENIED', domain: 'googleapis.com', metadata: { resource } },
    );
  };
}
