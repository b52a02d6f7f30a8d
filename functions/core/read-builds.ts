import type { BuildView } from '../../shared/api/builds.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { CoreDeps } from './deps.ts';
import { instantOrNull, instantText } from './instant-text.ts';
import { getOne } from './records.ts';

/** The build of a dependency key. Throws BUILD_NOT_FOUND. */
export async function readBuild(deps: Pick<CoreDeps, 'store'>, id: string): Promise<BuildView> {
  const found = await getOne(deps, 'builds', id);
  if (found === undefined) {
    throw new AppError('BUILD_NOT_FOUND', `No build ${id}.`, {
      hint: 'What was there already was not built: see the image of the submission.',
    });
  }
  const { state, attempt, startedAt, finishedAt, error } = found.value;
  return {
    id,
    state,
    attempt,
    startedAt: instantText(startedAt),
    finishedAt: instantOrNull(finishedAt),
    error: error === null ? null : { message: error.message, hint: error.hint },
  };
}

/** The log of a build from an offset (bytes) on, and where it goes on. Throws BUILD_NOT_FOUND. */
export async function readBuildLog(
  deps: Pick<CoreDeps, 'store' | 'builder'>,
  id: string,
  offset: number,
): Promise<{ readonly text: string; readonly next: number }> {
  await readBuild(deps, id);
  return deps.builder.readLog(id, offset);
}
