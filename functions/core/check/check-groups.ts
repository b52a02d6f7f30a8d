import type { Key } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { groupIdOf } from '../ids.ts';
import { getOne } from '../records.ts';
import { type CheckStage, unitOf } from './check-stage.ts';
import { type Difference, LOST, versionOf } from './difference.ts';
import { documentsFrom } from './documents-from.ts';
import { countsFaults } from './kept-counts.ts';

type GroupDeps = Pick<CoreDeps, 'store' | 'clock' | 'timing'>;

/** Every group: its id, and its kept counts against a real count. */
export function groupsStage(deps: GroupDeps): CheckStage {
  return {
    name: 'groups',
    async *units(after) {
      for await (const { stored, place } of documentsFrom(deps, 'groups', { params: {}, after })) {
        yield await unitOf(place, { groups: 1 }, () => lookAtGroup(deps, stored.key));
      }
    },
  };
}

async function lookAtGroup(deps: GroupDeps, key: Key<'groups'>): Promise<readonly Difference[]> {
  const group = await getOne(deps, 'groups', key.id);
  if (group === undefined) return [];
  const { id, owner, name } = group.value;
  const subject = `group ${owner}/${name}`;
  const counts = await countsFaults(deps, { kind: 'group', id: key.id }, { subject, groupId: id });
  const wanted = groupIdOf(owner, name);
  if (key.id === wanted && id === wanted) return counts;
  return [
    {
      kind: 'group',
      subject,
      ids: { groupId: key.id },
      found: `id ${id}, kept under ${key.id}`,
      expected: `${wanted}, as follows from owner and name`,
      fix: LOST,
      basis: [versionOf(group)],
    },
    ...counts,
  ];
}
