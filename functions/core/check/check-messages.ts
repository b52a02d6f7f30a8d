import type { Message } from '../../ports/message.ts';
import type { Key, Stored } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { type CheckStage, unitOf } from './check-stage.ts';
import { absenceOf, type Difference, HEALS, versionOf } from './difference.ts';
import { bothFrom, readDocuments, together } from './documents-from.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

const TOGETHER = 200;

/** Every message that waits: none is parked, and what it speaks of exists. */
export function messagesStage(deps: StoreDeps): CheckStage {
  return {
    name: 'messages',
    async *units(after) {
      const rows = bothFrom(deps, 'parkedMessages', { params: (parked) => ({ parked }), after });
      for await (const { keys, place } of together(rows, TOGETHER)) {
        yield await unitOf(place, { messages: keys.length }, () => lookAtMessages(deps, keys));
      }
    },
  };
}

async function lookAtMessages(
  deps: StoreDeps,
  keys: readonly Key<'outbox'>[],
): Promise<readonly Difference[]> {
  const rows = (await deps.store.get(keys)).filter((row) => row !== undefined);
  const about = await readDocuments(
    deps,
    rows.map(({ value }) => subjectOf(value.message)).filter((key) => key !== null),
  );
  return rows.flatMap((row) => {
    const { message, parked, lastError } = row.value;
    const subject = subjectOf(message);
    const orphan =
      subject === null || about.get(subject.collection, subject.id) !== undefined
        ? []
        : [
            difference(row, {
              found: `${subject.collection === 'lanes' ? 'lane' : 'submission'} ${subject.id} does not exist`,
              expected: 'messages only about what exists',
              basis: [absenceOf(subject)],
            }),
          ];
    if (!parked) return orphan;
    const found = `parked: ${lastError ?? 'unknown error'}`;
    return [...orphan, difference(row, { found, expected: 'handled', basis: [] })];
  });
}

// What the records say of its subject; a layer is in its own store.
function subjectOf(message: Message): Key<'lanes' | 'submissions'> | null {
  if (message.kind === 'verify') return null;
  return message.kind === 'drain'
    ? { collection: 'lanes', id: message.lane }
    : { collection: 'submissions', id: message.submissionId };
}

function idsOf(message: Message): Readonly<Record<string, string>> {
  if (message.kind === 'verify') return { diffId: message.diffId };
  return message.kind === 'drain' ? { lane: message.lane } : { submissionId: message.submissionId };
}

function difference(
  row: Stored<'outbox'>,
  told: Pick<Difference, 'found' | 'expected' | 'basis'>,
): Difference {
  const { message } = row.value;
  const ids = idsOf(message);
  const [id = ''] = Object.values(ids);
  return {
    kind: 'message',
    subject: `message ${message.kind} for ${id}`,
    ids: { messageId: row.key.id, ...ids },
    found: told.found,
    expected: told.expected,
    fix: HEALS,
    basis: [versionOf(row), ...told.basis],
  };
}
