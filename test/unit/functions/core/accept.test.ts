import { describe, test } from 'vitest';
import { accept, configText } from '../../../../functions/core/accept.ts';
import { groupIdOf } from '../../../../functions/core/ids.ts';
import type { SubmissionDoc } from '../../../../functions/ports/documents.ts';
import type { Write } from '../../../../functions/ports/store.ts';
import { LIMITS } from '../../../../shared/api/limits.ts';
import type { SubmissionSpec } from '../../../../shared/api/submissions.ts';
import { aSpec, CODE_LAYER } from '../../../doubles/a-spec.ts';
import { aPrincipal, coreDeps, LANE, START, type TestDeps } from '../../../doubles/builders.ts';
import { sendBlob } from '../../../doubles/layer-upload.ts';
import { beforeCommit, deliver, stored, writesTo } from '../../../doubles/store-access.ts';
import { aFile, aLayer, aTar } from '../../../doubles/tar-builder.ts';

describe('accept', () => {
  test('commits the submission, what belongs to it and its messages at once', async ({
    expect,
  }) => {
    const deps = coreDeps();
    await submit(deps, aSpec({ config: '{"seed": [1, 2]}' }));
    const collections = deps.commits[0]?.map(({ key }) => key.collection).sort();
    expect(collections).toEqual([
      'configs',
      'counts',
      'groups',
      'lanes',
      'outbox',
      'outbox',
      'submissions',
    ]);
    expect(deps.queue.take().map(({ kind }) => kind)).toEqual(['image', 'expand']);
  });

  test('counts the experiments and says where they will run, without making one of them', async ({
    expect,
  }) => {
    const deps = coreDeps({ chunkSize: 10 });
    const submission = await submit(
      deps,
      aSpec({ config: '{"a": [1, 2, 3], "b": [1, 2, 3, 4, 5, 6, 7]}' }),
    );
    expect(submission).toMatchObject({
      count: 21,
      chunks: 3,
      expanded: false,
      lane: LANE,
      platform: 'process',
      imageState: 'waiting',
      openLane: null,
      acceptedAt: START,
    });
    const experiments = await deps.store.count('experimentsOfGroup', {
      groupId: submission.groupId,
    });
    expect(experiments).toBe(0);
  });

  test('the same key and body get the same reply, and nothing is written again', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const first = await submit(deps);
    const commits = deps.commits.length;
    await deps.clock.advance(60_000);
    expect(await submit(deps)).toEqual(first);
    expect(deps.commits).toHaveLength(commits);
  });

  test('the same key with another body is refused', async ({ expect }) => {
    const deps = coreDeps();
    await submit(deps);
    const commits = deps.commits.length;
    await expect(submit(deps, aSpec({ module: 'other.py' }))).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    });
    expect(deps.commits).toHaveLength(commits);
  });

  test('the same key of another principal is another submission', async ({ expect }) => {
    const deps = coreDeps();
    const ada = await submit(deps);
    const bob = await accept(deps, {
      principal: aPrincipal('bob'),
      idempotencyKey: 'key',
      spec: aSpec(),
    });
    expect(bob.id).not.toBe(ada.id);
    expect(bob.groupId).not.toBe(ada.groupId);
  });

  test('of requests with one key at the same time one is accepted and all get its reply', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const replies = await Promise.all(Array.from({ length: 5 }, () => submit(deps)));
    expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1);
    expect(deps.commits.filter(writesTo('submissions'))).toHaveLength(1);
  });

  test('a key that was raced by another body is refused', async ({ expect }) => {
    const deps = coreDeps();
    const store = beforeCommit(deps.store, writesTo('submissions'), async () => {
      await submit(deps, aSpec({ module: 'faster.py' }));
    });
    await expect(submit({ ...deps, store })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    });
  });

  test('two requests that both open the same group and lane are both accepted', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const store = beforeCommit(deps.store, writesTo('groups'), async () => {
      await submit(deps, aSpec(), 'other key');
    });
    const second = await submit({ ...deps, store });
    expect((await stored(deps, 'groups', second.groupId)).value.name).toBe('sweep');
    expect(await deps.store.count('submissionsOfGroup', { groupId: second.groupId })).toBe(2);
  });

  test('an empty config makes no job and is expanded at once', async ({ expect }) => {
    const deps = coreDeps();
    const submission = await submit(deps, aSpec({ config: '[]' }));
    expect(submission).toMatchObject({ count: 0, chunks: 0, expanded: true });
    expect(deps.queue.take().map(({ kind }) => kind)).toEqual(['image']);
  });

  test('no config is one experiment without flags', async ({ expect }) => {
    const submission = await submit(coreDeps(), aSpec({ config: null }));
    expect(submission.count).toBe(1);
  });

  test('a long config is stored in parts and read back as it was', async ({ expect }) => {
    const deps = coreDeps();
    const config = JSON.stringify({ text: `${'a'.repeat(256 * 1024 - 10)}${'é'.repeat(20)}` });
    const { id } = await submit(deps, aSpec({ config }));
    expect(deps.commits[0]?.filter(({ key }) => key.collection === 'configs')).toHaveLength(2);
    expect(await configText(deps, id)).toBe(config);
  });

  test('no part of a long config ends inside a character', async ({ expect }) => {
    const deps = coreDeps();
    for (const shift of [0, 1]) {
      const config = JSON.stringify({ text: `${'a'.repeat(shift)}${'😀'.repeat(150 * 1024)}` });
      const configLayer = await uploaded(deps, aFile('config.json', config));
      const { id } = await submit(deps, aSpec({ configLayer }), `key ${shift}`);
      expect(await configText(deps, id)).toBe(config);
    }
    const parts = deps.commits.flat().filter(({ key }) => key.collection === 'configs');
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) expect(textOf(part).isWellFormed()).toBe(true);
  });

  test('a config that comes as a layer is read from it', async ({ expect }) => {
    const deps = coreDeps();
    const configLayer = await uploaded(deps, aFile('config.json', '{"seed": [1, 2, 3]}'));
    const submission = await submit(deps, aSpec({ configLayer }));
    expect(submission.count).toBe(3);
    expect(await configText(deps, submission.id)).toBe('{"seed": [1, 2, 3]}');
  });
});

describe('accept, groups', () => {
  test('a name is the caller’s own group', async ({ expect }) => {
    const submission = await submit(coreDeps(), aSpec({ group: 'mine' }));
    expect(submission).toMatchObject({ groupId: groupIdOf('ada', 'mine'), owner: 'ada' });
  });

  test('OWNER/NAME is a colleague’s group that is there', async ({ expect }) => {
    const deps = coreDeps();
    const mine = await submit(deps, aSpec({ group: 'shared' }));
    const joined = await accept(deps, {
      principal: aPrincipal('bob'),
      idempotencyKey: 'key',
      spec: aSpec({ group: 'ada/shared' }),
    });
    expect(joined).toMatchObject({ groupId: mine.groupId, owner: 'ada', principal: 'bob' });
  });

  test('one’s own OWNER/NAME may be new', async ({ expect }) => {
    const submission = await submit(coreDeps(), aSpec({ group: 'ada/new' }));
    expect(submission).toMatchObject({ groupId: groupIdOf('ada', 'new'), groupName: 'new' });
  });

  test('a second submission adds to the group that is there', async ({ expect }) => {
    const deps = coreDeps();
    const first = await submit(deps);
    await deps.clock.advance(1_000);
    const second = await submit(deps, aSpec(), 'key 2');
    expect(second.groupId).toBe(first.groupId);
    expect((await stored(deps, 'groups', first.groupId)).value.createdAt).toBe(START);
  });
});

describe('accept, refusals', () => {
  const cases: readonly [why: string, code: string, spec: Partial<SubmissionSpec>][] = [
    [
      'a layer that was not uploaded',
      'LAYER_MISSING',
      { codeLayers: [CODE_LAYER, 'd'.repeat(64)] },
    ],
    [
      'a dependency layer that was not uploaded',
      'LAYER_MISSING',
      { dependencies: { ...aSpec().dependencies, layer: 'e'.repeat(64) } },
    ],
    ['a config layer that was not uploaded', 'LAYER_MISSING', { configLayer: 'f'.repeat(64) }],
    ['a platform the service lacks', 'PLATFORM_UNSUPPORTED', { platform: 'vertex' }],
    [
      'an image on the process platform',
      'PLATFORM_UNSUPPORTED',
      { image: 'python:3.12', codeLayers: [] },
    ],
    ['a config that is no JSON', 'CONFIG_SYNTAX', { config: '{"a": [1, 2}' }],
    ['a config of the wrong shape', 'CONFIG_INVALID', { config: '"text"' }],
    [
      'more experiments than the limit',
      'LIMIT_EXCEEDED',
      {
        config: JSON.stringify(
          Object.fromEntries(sixOf(20).map((values, at) => [`k${at}`, values])),
        ),
      },
    ],
    ['a NUL character in a value', 'CONFIG_INVALID', { config: '{"a": "x\\u0000y"}' }],
    ['a NUL character in a listed value', 'CONFIG_INVALID', { config: '{"a": ["x", "\\u0000"]}' }],
    ['half a surrogate pair', 'CONFIG_INVALID', { config: '{"a": "\\ud800"}' }],
    [
      'a config over the inline limit',
      'CONFIG_TOO_LARGE',
      { config: JSON.stringify({ a: 'x'.repeat(LIMITS.inlineConfigBytes) }) },
    ],
    ['a group without a name', 'REQUEST_INVALID', { group: 'ada/' }],
    ['a colleague’s group that is not there', 'GROUP_NOT_FOUND', { group: 'bob/new' }],
  ];
  for (const [why, code, spec] of cases) {
    test(`${why} is ${code}, and nothing is written or sent`, async ({ expect }) => {
      const deps = coreDeps();
      await expect(submit(deps, aSpec(spec))).rejects.toMatchObject({ code });
      expect(deps.commits).toEqual([]);
      expect(deps.queue.take()).toEqual([]);
    });
  }

  test('a refusal names the value and what to do', async ({ expect }) => {
    const refused = submit(coreDeps(), aSpec({ codeLayers: ['d'.repeat(64)] }));
    await expect(refused).rejects.toMatchObject({
      message: expect.stringContaining('d'.repeat(64)),
      hint: expect.stringContaining('/v1/layers'),
      context: { diffId: 'd'.repeat(64) },
    });
  });

  test('a layer that verification refused is refused with its reason', async ({ expect }) => {
    const deps = coreDeps();
    const layer = aLayer(aTar(aFile('../evil')));
    await deps.layers.begin(layer.declaration);
    await sendBlob(deps.layers, layer);
    await expect(deps.layers.complete(layer.declaration.diffId)).rejects.toThrow();
    await expect(
      submit(deps, aSpec({ codeLayers: [layer.declaration.diffId] })),
    ).rejects.toMatchObject({ code: 'LAYER_INVALID', message: expect.stringContaining('evil') });
  });

  test('a config layer without a config.json is refused', async ({ expect }) => {
    const deps = coreDeps();
    const configLayer = await uploaded(deps, aFile('other.json', '{}'));
    await expect(submit(deps, aSpec({ configLayer }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
    expect(deps.commits).toEqual([]);
  });
});

describe('accept, a config layer', () => {
  test('that is not UTF-8 is refused', async ({ expect }) => {
    const deps = coreDeps();
    const configLayer = await uploaded(deps, aFile('config.json', Uint8Array.of(0x22, 0xff, 0x22)));
    await expect(submit(deps, aSpec({ configLayer }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('UTF-8'),
    });
    expect(deps.commits).toEqual([]);
  });
});

describe('accept, what follows', () => {
  test('a submission without experiments gets ready and has nothing to drain', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const { id } = await submit(deps, aSpec({ config: '[]' }));
    await deliver(deps, 'image', 'expand', 'drain');
    const { value } = await stored(deps, 'submissions', id);
    expect(value).toMatchObject({ imageState: 'ready', expanded: true, openLane: null });
    expect(deps.platform.submitted).toEqual([]);
  });
});

function submit(
  deps: Parameters<typeof accept>[0],
  spec: SubmissionSpec = aSpec(),
  idempotencyKey = 'key',
): Promise<SubmissionDoc> {
  return accept(deps, { principal: aPrincipal(), idempotencyKey, spec });
}

async function uploaded(deps: TestDeps, ...files: readonly Uint8Array[]): Promise<string> {
  const layer = aLayer(aTar(...files));
  await deps.layers.begin(layer.declaration);
  await sendBlob(deps.layers, layer);
  await deps.layers.complete(layer.declaration.diffId);
  return layer.declaration.diffId;
}

function textOf(write: Write): string {
  return write.op === 'put' && 'text' in write.value ? write.value.text : '';
}

function sixOf(size: number): number[][] {
  return Array.from({ length: 6 }, () => Array.from({ length: size }, (_, at) => at));
}
