import { randomUUID } from 'node:crypto';
import { invalidArgument } from '../google-api/api-status.ts';
import type { GoogleCall } from '../google-api/google-service.ts';
import type { FindProject, Project } from '../google-api/projects.ts';

/** Where a build is. */
export interface Place {
  readonly project: Project;
  /** `global` for the names without a location. */
  readonly location: string;
}

const PARENT = /^projects\/([^/]+)(?:\/locations\/([a-z0-9-]+))?$/;
const NAME = /^projects\/([^/]+)\/locations\/([a-z0-9-]+)\/builds\/([^/]+)$/;

/** Reads `parent`, or `projectId` when there is none. Throws INVALID_ARGUMENT, PERMISSION_DENIED. */
export function placeOf(
  request: { readonly parent: string; readonly projectId: string },
  find: FindProject,
): Place {
  const parent = request.parent || `projects/${request.projectId}`;
  const [, project, location = 'global'] = PARENT.exec(parent) ?? [];
  if (project === undefined) throw invalidArgument(`invalid parent ${JSON.stringify(parent)}`);
  return { project: find(project, parent), location };
}

/** Reads `name`, or `projectId` and `id`, which name builds of `global` only. Throws INVALID_ARGUMENT, PERMISSION_DENIED. */
export function namedBuild(
  request: { readonly name: string; readonly projectId: string; readonly id: string },
  find: FindProject,
): Place & { readonly id: string } {
  const { name, projectId } = request;
  if (name === '') {
    if (request.id === '') throw invalidArgument('id must be specified');
    return {
      project: find(projectId, `projects/${projectId}`),
      location: 'global',
      id: request.id,
    };
  }
  const [, project, location, id] = NAME.exec(name) ?? [];
  if (project === undefined || location === undefined || id === undefined) {
    throw invalidArgument(`invalid build name ${JSON.stringify(name)}`);
  }
  return { project: find(project, name), location, id };
}

/** Names a new build goes by. */
export function newNames({ project, location }: Place) {
  const id = randomUUID();
  const base64 = Buffer.from(id).toString('base64url');
  return {
    id,
    name: `projects/${project.number}/locations/${location}/builds/${id}`,
    operation:
      location === 'global'
        ? `operations/build/${project.id}/${base64}`
        : `projects/${project.id}/locations/${location}/operations/${base64}`,
    logUrl: `https://console.cloud.google.com/cloud-build/builds${
      location === 'global' ? '' : `;region=${location}`
    }/${id}?project=${project.number}`,
  };
}

/** The id of the build that an operation is of; undefined when it is not of this service. */
export function buildOfOperation(operation: string): string | undefined {
  const [, base64] =
    /^(?:operations\/build\/[^/]+|projects\/[^/]+\/locations\/[^/]+\/operations)\/([\w-]+)$/.exec(
      operation,
    ) ?? [];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64url').toString();
}

/** The routing rule of the proto: a name with a location is sent along as `location`. */
export function checkRouting(name: string, { headers, method }: GoogleCall): void {
  const [, location] = /^projects\/[^/]+\/locations\/([^/]+)/.exec(name) ?? [];
  if (location === undefined) return;
  const sent = new URLSearchParams(headers['x-goog-request-params'] ?? '').get('location');
  if (sent === location) return;
  throw invalidArgument(`${method}: x-goog-request-params has location '${sent}', not ${location}`);
}
