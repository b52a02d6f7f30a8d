import { invalidArgument } from '../google-api/api-status.ts';
import type { GoogleApi } from '../google-api/google-api.ts';
import type { Project } from '../google-api/projects.ts';
import { HARDWARE } from './hardware.ts';

/** A location that jobs are in. */
export interface Place {
  /** With the number of the project. */
  readonly parent: string;
  readonly region: string;
  readonly project: Project;
}

/** Reads names of resources. Each function throws ApiStatus: INVALID_ARGUMENT, or PERMISSION_DENIED for an unknown project. */
export interface Places {
  /** `projects/ID_OR_NUMBER/locations/REGION`. */
  of(parent: string): Place;
  /** The name of a job with the number of its project. */
  jobName(name: string): string;
  /** Whom a call about a resource counts against. */
  quotaScope(resource: string): { readonly projectNumber: string; readonly region: string };
}

const NAME = /^projects\/([^/]+)\/locations\/([^/]+)(?:\/customJobs\/(\d+))?$/;

export function createPlaces(api: GoogleApi, regions = HARDWARE.regions): Places {
  function parse(name: string) {
    const [, project, region, id] = NAME.exec(name) ?? [];
    if (project === undefined || region === undefined) {
      throw invalidArgument(`Invalid resource name: "${name}".`);
    }
    if (!regions.includes(region)) {
      throw invalidArgument(
        `Unsupported region "${region}": this endpoint serves ${regions.join(', ')}.`,
      );
    }
    return { project: api.project(project, `//aiplatform.googleapis.com/${name}`), region, id };
  }

  function of(name: string): Place & { readonly id: string | undefined } {
    const { project, region, id } = parse(name);
    return { project, region, id, parent: `projects/${project.number}/locations/${region}` };
  }

  return {
    of(parent) {
      const { id, ...place } = of(parent);
      if (id !== undefined) throw invalidArgument(`Invalid resource name: "${parent}".`);
      return place;
    },
    jobName(name) {
      const { parent, id } = of(name);
      if (id === undefined) throw invalidArgument(`Invalid resource name: "${name}".`);
      return `${parent}/customJobs/${id}`;
    },
    quotaScope(resource) {
      const { project, region } = of(resource);
      return { projectNumber: project.number, region };
    },
  };
}
