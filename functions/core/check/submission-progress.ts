import type { Message } from '../../ports/message.ts';
import { stillCreatesJobs } from '../ending.ts';
import { type Difference, HEALS, LOST } from './difference.ts';
import { submissionDifference } from './submission-contradictions.ts';
import type { SubmissionFacts } from './submission-facts.ts';

/** What of a submission's way does not fit: its expansion, its jobs counted, its end, its place on the lane, and what carries it on. */
export function progressFaultsOf(facts: SubmissionFacts): Difference[] {
  return [
    ...expansionFault(facts),
    ...jobsFault(facts),
    ...endingFault(facts),
    ...openFault(facts),
    ...stuckFault(facts),
  ];
}

type Told = Parameters<typeof submissionDifference>[1];

function fault(facts: SubmissionFacts, told: Told): Difference[] {
  return [submissionDifference(facts, told)];
}

function expansionFault(facts: SubmissionFacts): Difference[] {
  const { submission, chunkRecords, messages } = facts;
  const { chunks, expanded, ending } = submission.value;
  const found = `${expanded ? 'expanded' : 'not expanded'}, with ${chunkRecords} chunk records`;
  // A stop ends a submission whose later chunks were never written.
  const isCutShort = ending === 'done' && !stillCreatesJobs(submission.value);
  if (chunkRecords > chunks || (expanded && chunkRecords < chunks && !isCutShort)) {
    const expected = `${chunks} records, one for each chunk`;
    return fault(facts, { kind: 'expansion', found, expected, fix: LOST });
  }
  if (expanded || chunkRecords < chunks || messages?.has('expand') !== false) return [];
  const expected = 'expanded, since every chunk has its record';
  return fault(facts, { kind: 'expansion', found, expected, fix: LOST });
}

function jobsFault(facts: SubmissionFacts): Difference[] {
  const { submission, chunkRecords, hasLastChunk, jobs } = facts;
  const { chunks, chunkSize, count } = submission.value;
  if (!jobs.isQuiet || chunkRecords > chunks) return [];
  const lacking = hasLastChunk ? chunks * chunkSize - count : 0;
  const wanted = chunkRecords * chunkSize - lacking;
  const there = jobs.live + jobs.ended;
  if (there === wanted) return [];
  return fault(facts, {
    kind: 'expansion',
    found: `${there} jobs`,
    expected: `${wanted}, as its ${chunkRecords} chunk records say`,
    fix: LOST,
  });
}

function endingFault(facts: SubmissionFacts): Difference[] {
  const { jobs, submission } = facts;
  const { ending, endingState, expanded, openLane } = submission.value;
  if ((ending === 'none') !== (endingState === null)) {
    const found = `ending ${ending} as ${endingState ?? 'nothing'}`;
    const expected = 'a state to end in exactly when it is to end';
    return fault(facts, { kind: 'ending', found, expected, fix: LOST });
  }
  if (ending !== 'done') return [];
  if (!expanded || openLane !== null) {
    const found = `over, but ${expanded ? 'offered to the drainer' : 'not expanded'}`;
    return fault(facts, { kind: 'ending', found, expected: 'closed and expanded', fix: LOST });
  }
  if (jobs.live === 0) return [];
  const found = `over, but ${jobs.live} of its jobs live`;
  return fault(facts, { kind: 'ending', found, expected: 'no live job', fix: HEALS });
}

function openFault(facts: SubmissionFacts): Difference[] {
  const { jobs, submission, messages } = facts;
  const { openLane, lane, imageState, ending, expanded } = submission.value;
  const mayBeOpen = imageState === 'ready' && ending === 'none';
  const left = jobs.queued + jobs.submitting;
  if (openLane === null) {
    if (!mayBeOpen || (expanded && left === 0)) return [];
    const found = `closed for the drainer, but ${expanded ? `${left} jobs wait` : 'not expanded'}`;
    return fault(facts, { kind: 'open', found, expected: `open on lane ${lane}`, fix: HEALS });
  }
  if (!mayBeOpen || openLane !== lane) {
    const found = `open on lane ${openLane}; its environment is ${imageState}, its ending ${ending}`;
    const expected = `open only on lane ${lane}, while ready and not ending`;
    return fault(facts, { kind: 'open', found, expected, fix: LOST });
  }
  // The drainer closes it; until then its message waits.
  if (!expanded || left > 0 || messages?.has('drain') !== false) return [];
  const found = 'open, though nothing of it waits';
  return fault(facts, { kind: 'open', found, expected: 'closed for the drainer', fix: HEALS });
}

function stuckFault(facts: SubmissionFacts): Difference[] {
  const { submission, messages } = facts;
  if (messages === null) return [];
  const { imageState, ending, expanded } = submission.value;
  const needed: Message['kind'][] = [];
  if (ending === 'requested') needed.push('stop');
  if (ending === 'none' && imageState === 'waiting') needed.push('image');
  if (ending !== 'done' && !expanded && stillCreatesJobs(submission.value)) needed.push('expand');
  return needed
    .filter((kind) => !messages.has(kind))
    .map((kind) =>
      submissionDifference(facts, {
        kind: 'stuck',
        found: `no message ${kind} waits for it`,
        expected: 'one, until that step is done',
        fix: 'Stop its group (caliban stop) and submit again. Please report it: this should not be possible.',
      }),
    );
}
