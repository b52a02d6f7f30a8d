import { dependencyImageName } from '../../../functions/adapters/gcp/image-names.ts';
import type { Clock } from '../../../functions/ports/runtime.ts';
import type { Executor as BuildExecutor } from '../cloud-build/executor.ts';
import { pushingExecutor } from '../cloud-build/pushing-executor.ts';
import { aBase, pushImage } from '../handmade-image.ts';
import { type Executor as JobExecutor, pretend } from '../vertex/executor.ts';

/** The line that each pretended job writes. */
export const PRETENDED_LINE =
  'This job is pretended: nothing runs. See "Run it on your machine" in docs/hosted.md.';

const PENDING_MS = 500;
const RUN_MS = 2_000;
const LINE_MS = 500;
const BUILD_MS = 500;

/** Jobs that run nothing: each writes {@link PRETENDED_LINE} and succeeds after a few seconds. */
export function pretendedJobs(): JobExecutor {
  const lines = [{ afterMs: LINE_MS, text: PRETENDED_LINE }];
  return pretend(() => ({ pendingMs: PENDING_MS, runMs: RUN_MS, lines }));
}

/** Builds that run nothing: each pushes a tiny image where the service expects its own. `repository`: `images.repository`. */
export function pretendedBuilds(clock: Clock, repository: string): BuildExecutor {
  return pushingExecutor(clock, ({ tags }) => {
    const key = tags.find((tag) => tag.startsWith('key-'))?.slice('key-'.length) ?? '';
    const [name = '', tag = ''] = splitTag(dependencyImageName(repository, key));
    const log = `This build is pretended: ${name}:${tag} is an empty image.\n`;
    return { ms: BUILD_MS, log, exitCode: 0, push: () => pushImage(name, tag, aBase()) };
  });
}

/** Pushes a tiny image; `reference` as in `127.0.0.1:5000/base/python:dev`. */
export async function pushPretendedBase(reference: string): Promise<void> {
  const [name = '', tag = ''] = splitTag(reference);
  await pushImage(name, tag, aBase());
}

function splitTag(reference: string): readonly string[] {
  const at = reference.lastIndexOf(':');
  return [reference.slice(0, at), reference.slice(at + 1)];
}
