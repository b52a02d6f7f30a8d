import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Principal } from '../ports/authenticator.ts';
import {
  type GroupDoc,
  type LaneDoc,
  SCHEMA_VERSION,
  type SubmissionDoc,
} from '../ports/documents.ts';
import { put, type Stored, type Write } from '../ports/store.ts';
import { staleCounts } from './counts.ts';
import type { CoreDeps, LaneSetting } from './deps.ts';
import { groupIdOf, hashOf, submissionIdOf } from './ids.ts';
import { commitAndPublish } from './outbox.ts';
import { getOne } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { configDigestOf, submissionDigest } from './submission-digest.ts';
import { type CheckedSpec, checkSpec } from './submission-spec.ts';

/** A request to run experiments, by whom, and the key that makes it idempotent. */
export interface AcceptRequest {
  readonly principal: Principal;
  readonly idempotencyKey: string;
  readonly spec: SubmissionSpec;
}

/**
 * Accepts a submission: checks everything, then commits it with the messages that follow from it. Takes the same time
 * whatever the number of experiments. The same key and body give the same submission; the same key with another
 * body is IDEMPOTENCY_MISMATCH.
 */
export async function accept(deps: CoreDeps, request: AcceptRequest): Promise<SubmissionDoc> {
  const id = submissionIdOf(request.principal.id, request.idempotencyKey);
  const bodyHash = hashOf(JSON.stringify(request.spec));
  const before = await getOne(deps, 'submissions', id);
  if (before !== undefined) return sameBody(before, bodyHash);
  const checked = await checkSpec(deps, request.spec, 'must-exist');
  return retryStale(async () => {
    const raced = await getOne(deps, 'submissions', id);
    if (raced !== undefined) return sameBody(raced, bodyHash);
    const group = await resolveGroupForWrite(deps, request.principal, request.spec.group);
    const submission = submissionOf({ deps, request, checked, group: group.doc, id, bodyHash });
    await commitAndPublish(
      deps,
      [...writesOf(submission, checked, group), ...(await laneWrites(deps, checked.lane))],
      [
        ...checked.unverified.map((diffId) => ({ message: { kind: 'verify', diffId } as const })),
        { message: { kind: 'image', submissionId: id } },
        ...(submission.expanded
          ? []
          : [{ message: { kind: 'expand', submissionId: id, chunk: 0 } } as const]),
      ],
    );
    deps.configs.put(id, checked.config);
    deps.log.info(
      {
        ...{ submissionId: id, group: submission.groupName, jobs: submission.count },
        principal: request.principal.id,
      },
      'submission accepted',
    );
    return submission;
  });
}

function sameBody(stored: Stored<'submissions'>, bodyHash: string): SubmissionDoc {
  if (stored.value.bodyHash === bodyHash) return stored.value;
  throw new AppError(
    'IDEMPOTENCY_MISMATCH',
    'This Idempotency-Key was used before with another request.',
    {
      hint: 'Send a new Idempotency-Key for a new request.',
      context: { submissionId: stored.value.id },
    },
  );
}

interface TargetGroup {
  readonly doc: GroupDoc;
  readonly isNew: boolean;
}

/** The group a name stands for: the caller's own, made when new; `OWNER/NAME` must exist. */
export async function resolveGroupForWrite(
  deps: Pick<CoreDeps, 'store' | 'clock'>,
  principal: Principal,
  name: string,
): Promise<TargetGroup> {
  const slash = name.indexOf('/');
  const owner = slash < 0 ? principal.id : name.slice(0, slash);
  const groupName = slash < 0 ? name : name.slice(slash + 1);
  if (owner === '' || groupName === '') {
    throw new AppError('REQUEST_INVALID', `xgroup ${JSON.stringify(name)} lacks a name.`, {
      hint: 'Write NAME, or OWNER/NAME for a colleague’s group.',
    });
  }
  const id = groupIdOf(owner, groupName);
  const found = await getOne(deps, 'groups', id);
  if (found !== undefined) return { doc: found.value, isNew: false };
  if (owner !== principal.id) {
    throw new AppError('GROUP_NOT_FOUND', `xgroup ${name} not found.`, {
      hint: 'A colleague’s group must exist before you add to it.',
    });
  }
  return {
    doc: { schemaVersion: SCHEMA_VERSION, id, owner, name: groupName, createdAt: deps.clock.now() },
    isNew: true,
  };
}

function submissionOf(parts: {
  deps: CoreDeps;
  request: AcceptRequest;
  checked: CheckedSpec;
  group: GroupDoc;
  id: string;
  bodyHash: string;
}): SubmissionDoc {
  const { deps, request, checked, group, id, bodyHash } = parts;
  const { spec } = request;
  const environment = environmentOf(spec);
  const submission = {
    schemaVersion: SCHEMA_VERSION,
    id,
    principal: request.principal.id,
    bodyHash,
    groupId: group.id,
    groupName: group.name,
    owner: group.owner,
    name: spec.name,
    labels: spec.labels,
    mode: spec.mode,
    hardware: checked.hardware,
    module: spec.module,
    scriptPath: spec.scriptPath,
    command: spec.command,
    scriptArgs: spec.scriptArgs,
    image: spec.image,
    codeLayers: spec.codeLayers,
    dependencies: spec.dependencies,
    environment,
    platform: checked.lane.platform,
    lane: checked.lane.id,
    count: checked.count,
    chunks: Math.ceil(checked.count / checked.chunkSize),
    chunkSize: checked.chunkSize,
    acceptedAt: deps.clock.now(),
    expanded: checked.count === 0,
    imageState: 'waiting',
    run: null,
    buildId: null,
    openLane: null,
    ending: 'none',
    endingState: null,
    endingCause: null,
    stopRequestedAt: null,
    configDigest: configDigestOf(checked.configText),
  } as const;
  return { ...submission, digest: submissionDigest(submission) };
}

/** What an experiment's environment is made from, as sent; the code is not part of it. */
export function environmentOf(spec: SubmissionSpec): SubmissionDoc['environment'] {
  return {
    id: environmentIdOf(spec),
    mode: spec.mode,
    path: spec.source.path,
    extraDirs: spec.source.extraDirs,
  };
}

/** Equal for equal dependencies, or the same image, in the same mode. */
export function environmentIdOf({
  mode,
  image,
  dependencies,
}: Pick<SubmissionDoc, 'mode' | 'image' | 'dependencies'>): string {
  const { base, apt, python, extras, layer, requirements } = dependencies;
  // In the order of the request, whatever order a store gives its keys back in.
  const sent = { base, apt, python, extras, layer, requirements };
  return hashOf('environment', mode, image ?? JSON.stringify(sent)).slice(0, 20);
}

function writesOf(submission: SubmissionDoc, checked: CheckedSpec, group: TargetGroup): Write[] {
  const { id } = submission;
  const writes: Write[] = [
    put({ collection: 'submissions', id }, submission, 'absent'),
    ...configWrites(id, checked.configText),
    staleCounts(submission.groupId),
  ];
  if (group.isNew)
    writes.push(put({ collection: 'groups', id: group.doc.id }, group.doc, 'absent'));
  return writes;
}

// A stored document may have 1 MiB (Firestore); a text is cut at 256 Ki characters, at most 768 KiB of UTF-8.
const CONFIG_PART = 256 * 1024;

function configWrites(submissionId: string, text: string): Write[] {
  const writes: Write[] = [];
  let part = 0;
  for (let from = 0; from < text.length; part++) {
    const piece = wholeCharacters(text.slice(from, from + CONFIG_PART));
    from += piece.length;
    writes.push(
      put(
        { collection: 'configs', id: `${submissionId}-${part}` },
        { schemaVersion: SCHEMA_VERSION, submissionId, text: piece },
        'absent',
      ),
    );
  }
  return writes;
}

// Half a surrogate pair cannot be stored as UTF-8: a part that ends with the first half leaves it to the next.
function wholeCharacters(piece: string): string {
  return /[\uD800-\uDBFF]$/.test(piece) && piece.length === CONFIG_PART
    ? piece.slice(0, -1)
    : piece;
}

/** The config's text as accepted, from its parts. */
export async function configText(
  deps: Pick<CoreDeps, 'store'>,
  submissionId: string,
): Promise<string> {
  let text = '';
  for (let part = 0; ; part++) {
    const piece = await getOne(deps, 'configs', `${submissionId}-${part}`);
    if (piece === undefined) return text;
    text += piece.value.text;
    if (piece.value.text.length < CONFIG_PART - 1) return text;
  }
}

async function laneWrites(deps: CoreDeps, setting: LaneSetting): Promise<Write[]> {
  if ((await getOne(deps, 'lanes', setting.id)) !== undefined) return [];
  const lane: LaneDoc = {
    schemaVersion: SCHEMA_VERSION,
    id: setting.id,
    platform: setting.platform,
    policy: setting.policy,
    leaseHolder: null,
    leaseUntil: 0,
    epoch: 0,
    block: null,
    virtualTimes: {},
    createdAt: deps.clock.now(),
  };
  return [put({ collection: 'lanes', id: setting.id }, lane, 'absent')];
}
