/** A project and a region of Vertex AI: one stream of jobs. */
export interface VertexPlace {
  readonly project: string;
  readonly region: string;
}

const PROJECT = '[a-z][a-z0-9-]{4,28}[a-z0-9]';
const REGION = '[a-z]+-[a-z]+[0-9]+';
const LANE = new RegExp(`^vertex:(${PROJECT}):(${REGION})$`);
// Vertex answers with the number of a project where it was asked with its id.
const REF = new RegExp(
  `^projects/(${PROJECT}|[0-9]{1,20})/locations/(${REGION})/customJobs/([0-9]{1,20})$`,
);

/** The id of the lane to a project and region, as in `vertex:my-project:us-central1`. */
export function vertexLaneId(project: string, region: string): string {
  return `vertex:${project}:${region}`;
}

/** Project and region of a lane, or null when the text is no lane of Vertex AI. */
export function parseVertexLane(lane: string): VertexPlace | null {
  const [, project, region] = LANE.exec(lane) ?? [];
  return project === undefined || region === undefined ? null : { project, region };
}

/** `projects/PROJECT/locations/REGION`, what jobs are created in and listed of. */
export function parentOf({ project, region }: VertexPlace): string {
  return `projects/${project}/locations/${region}`;
}

/** A custom job by its name there; `project` is an id or a number. */
export interface VertexRef extends VertexPlace {
  readonly id: string;
}

/** The parts of a custom job's name, or null when the text is none. */
export function parseVertexRef(ref: string): VertexRef | null {
  const [, project, region, id] = REF.exec(ref) ?? [];
  if (project === undefined || region === undefined || id === undefined) return null;
  return { project, region, id };
}
