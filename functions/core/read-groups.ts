import pLimit from 'p-limit';
import type { GroupView } from '../../shared/api/groups.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';
import type { Principal } from '../ports/authenticator.ts';
import type { CountsDoc, GroupDoc } from '../ports/documents.ts';
import type { Cursor } from '../ports/store.ts';
import { countsAsNewAsJobs, countsOf } from './counts.ts';
import { countsView } from './counts-view.ts';
import type { CoreDeps } from './deps.ts';
import { groupIdOf } from './ids.ts';
import { instantText } from './instant-text.ts';
import { type PageRequest, pageOf, present } from './page-of.ts';
import { getOne } from './records.ts';

type ReadDeps = Pick<CoreDeps, 'store' | 'clock' | 'timing'>;

/** Stands for everyone's groups or jobs where an owner is asked for. */
export const EVERYONE = '*';

const PARALLEL_COUNTS = 8;
const SUGGESTED_FROM = 200;
const GROUP_ID = /^[0-9a-f]{20}$/;

/**
 * The group that a reference stands for: the caller's own by name, OWNER/NAME, or an id. Throws GROUP_NOT_FOUND with
 * the nearest of the owner's newest groups.
 */
export async function resolveGroup(
  deps: Pick<CoreDeps, 'store'>,
  principal: Principal,
  reference: string,
): Promise<GroupDoc> {
  const slash = reference.indexOf('/');
  const owner = slash < 0 ? principal.id : reference.slice(0, slash);
  const name = slash < 0 ? reference : reference.slice(slash + 1);
  const named = await getOne(deps, 'groups', groupIdOf(owner, name));
  if (named !== undefined) return named.value;
  if (GROUP_ID.test(reference)) {
    const byId = await getOne(deps, 'groups', reference);
    if (byId !== undefined) return byId.value;
  }
  throw await groupNotFound(deps, principal, { reference, owner, name });
}

/** A group with its counts, which are no older than its jobs as a reader has just seen them. */
export async function viewGroup(deps: ReadDeps, group: GroupDoc): Promise<GroupView> {
  return viewWith(group, await countsAsNewAsJobs(deps, group.id));
}

function viewWith(group: GroupDoc, counts: CountsDoc): GroupView {
  return {
    ...groupRef(group),
    createdAt: instantText(group.createdAt),
    counts: countsView(counts),
  };
}

/** Groups of one owner, or everyone's, newest first, with their counts. */
export async function listGroups(
  deps: ReadDeps,
  request: PageRequest & { readonly owner: string },
): Promise<{ readonly groups: GroupView[]; readonly next: Cursor | undefined }> {
  const owner = request.owner === EVERYONE ? undefined : request.owner;
  const page = await deps.store.list('groups', present({ owner }), pageOf(request));
  const limit = pLimit(PARALLEL_COUNTS);
  const groups = await limit.map(page.items, async ({ value }) =>
    viewWith(value, await countsOf(deps, { kind: 'group', id: value.id })),
  );
  return { groups, next: page.next };
}

/** A group by id and name. */
export function groupRef(group: GroupDoc): { id: string; owner: string; name: string } {
  return { id: group.id, owner: group.owner, name: group.name };
}

async function groupNotFound(
  deps: Pick<CoreDeps, 'store'>,
  principal: Principal,
  wanted: { readonly reference: string; readonly owner: string; readonly name: string },
): Promise<AppError> {
  const { reference, owner, name } = wanted;
  const { items } = await deps.store.list('groups', { owner }, { limit: SUGGESTED_FROM });
  const near = didYouMean(
    name,
    items.map(({ value }) => value.name),
  );
  const suggestion = owner === principal.id ? near : `${owner}/${near}`;
  return new AppError('GROUP_NOT_FOUND', `xgroup ${reference} not found.`, {
    hint:
      near === undefined ? 'See your groups with: caliban status' : `Did you mean ${suggestion}?`,
  });
}
