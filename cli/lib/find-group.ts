import type { GroupView } from '../../shared/api/groups.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';
import type { Client } from './client.ts';

/** The group that a user named; throws GROUP_NOT_FOUND with the nearest of the owner's groups. */
export async function findGroup(client: Client, reference: string): Promise<GroupView> {
  try {
    return await client.group(reference);
  } catch (error) {
    if (!isAppError(error, 'GROUP_NOT_FOUND')) throw error;
    const near = await nearestGroup(client, reference);
    throw new AppError('GROUP_NOT_FOUND', `xgroup ${reference} not found`, {
      hint: near === undefined ? 'See your groups with: caliban status' : `Did you mean ${near}?`,
      context: { ...error.context },
      cause: error,
    });
  }
}

async function nearestGroup(client: Client, reference: string): Promise<string | undefined> {
  const slash = reference.lastIndexOf('/');
  const owner = slash === -1 ? {} : { owner: reference.slice(0, slash) };
  try {
    const { groups } = await client.groups({ limit: LIMITS.pageItems, ...owner });
    const near = didYouMean(
      reference.slice(slash + 1),
      groups.map(({ name }) => name),
    );
    return near === undefined ? undefined : `${reference.slice(0, slash + 1)}${near}`;
  } catch (error) {
    // Only a suggestion is lost.
    if (isAppError(error)) return undefined;
    throw error;
  }
}
