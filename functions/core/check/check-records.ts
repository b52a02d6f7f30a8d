import type { CoreDeps } from '../deps.ts';
import { chunksStage } from './check-chunks.ts';
import { groupsStage } from './check-groups.ts';
import { jobsStage } from './check-jobs.ts';
import { layerBytesStage, type ReadLayers } from './check-layer-bytes.ts';
import { messagesStage } from './check-messages.ts';
import { type CheckedPart, type CheckPosition, checkPart } from './check-part.ts';
import type { CheckStage } from './check-stage.ts';
import { submissionsStage } from './check-submissions.ts';

/** What a host adds to the check of the records. */
export interface HostCheck {
  /** Looks at what only this host has, such as files. */
  readonly stages: readonly CheckStage[];
  /** Between two looks at what differs (ms): longer than what a service needs to repair things; 0 where nobody writes. */
  readonly pauseMs: number;
}

/** What to check, and from where on. */
export interface CheckRequest {
  readonly at: CheckPosition | undefined;
  /** Also reads the bytes of layers. */
  readonly layerBytes: boolean;
}

/** Recounts the next part of everything that is kept, and tells what differs. Writes nothing. */
export function checkRecords(
  deps: CoreDeps,
  host: HostCheck & { readonly read: ReadLayers },
  { at, layerBytes }: CheckRequest,
): Promise<CheckedPart> {
  const stages = [
    // First: where a file is damaged, reading the records may fail.
    ...host.stages,
    groupsStage(deps),
    submissionsStage(deps),
    chunksStage(deps),
    jobsStage(deps),
    messagesStage(deps),
    ...(layerBytes ? [layerBytesStage(deps, host.read)] : []),
  ];
  return checkPart(deps, { stages, pauseMs: host.pauseMs }, at);
}
