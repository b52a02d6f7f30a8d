import type { JsonMember } from './json-value.ts';

/** The members of an object while it is read. */
export interface MemberList {
  readonly members: JsonMember[];
  /** Place of each key; made when the object is too large to look through. */
  index: Map<string, number> | undefined;
}

const LARGEST_WITHOUT_INDEX = 12;

/** Adds a member, or puts it in the place of the one with the same key. */
export function addMember(list: MemberList, member: JsonMember): void {
  const { members } = list;
  if (members.length === LARGEST_WITHOUT_INDEX && !list.index) {
    list.index = new Map(members.map(({ key }, place) => [key, place]));
  }
  const known = placeOf(list, member.key);
  const place = known ?? members.length;
  members[place] = member;
  if (known === undefined) list.index?.set(member.key, place);
}

function placeOf({ members, index }: MemberList, key: string): number | undefined {
  if (index) return index.get(key);
  const place = members.findIndex((member) => member.key === key);
  return place === -1 ? undefined : place;
}
