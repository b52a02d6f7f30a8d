import type { SubmissionView } from '../../shared/api/submissions.ts';
import type { SubmissionDoc } from '../ports/documents.ts';
import { countsOf } from './counts.ts';
import { countsView, noCounts } from './counts-view.ts';
import type { CoreDeps } from './deps.ts';
import { instantText } from './instant-text.ts';
import { containerOf } from './platform-job.ts';
import { getSubmission } from './records.ts';

/** Where a submission stands now. Throws SUBMISSION_NOT_FOUND. */
export async function readSubmission(
  deps: Pick<CoreDeps, 'store' | 'clock' | 'timing'>,
  id: string,
): Promise<SubmissionView> {
  const { value: doc } = await getSubmission(deps, id);
  const counts = await countsOf(deps, { kind: 'submission', doc });
  // Who is told that all is over looks at the group next: its counts must not be of a moment before.
  if (counts.settled) await countsOf(deps, { kind: 'group', id: doc.groupId }, counts.computedAt);
  return {
    ...unchanging(doc),
    expanded: doc.expanded,
    image: {
      state: doc.imageState,
      reference: containerOf(doc),
      message: imageMessage(doc),
    },
    counts: countsView(counts),
    ending: doc.ending,
    // Settled counts were taken after everything was expanded; plain zeros may be older than that.
    done: doc.expanded && counts.settled && doc.ending !== 'requested',
  };
}

function imageMessage(doc: SubmissionDoc): string | null {
  if (doc.imageState === 'failed') return doc.endingCause?.message ?? null;
  const isWaiting = doc.imageState === 'waiting' && doc.ending === 'none';
  return isWaiting ? (doc.imageWait ?? null) : null;
}

/** A submission as it was when it was accepted, whatever happened since: a replay of the request is answered the same. */
export function acceptedView(doc: SubmissionDoc): SubmissionView {
  const nothingToDo = doc.count === 0;
  return {
    ...unchanging(doc),
    expanded: nothingToDo,
    image: { state: 'waiting', reference: doc.image, message: null },
    counts: noCounts(doc.acceptedAt),
    ending: 'none',
    done: nothingToDo,
  };
}

function unchanging(
  doc: SubmissionDoc,
): Omit<SubmissionView, 'counts' | 'done' | 'ending' | 'expanded' | 'image'> {
  return {
    id: doc.id,
    group: { id: doc.groupId, owner: doc.owner, name: doc.groupName },
    name: doc.name,
    platform: doc.platform,
    lane: doc.lane,
    jobs: doc.count,
    acceptedAt: instantText(doc.acceptedAt),
  };
}
