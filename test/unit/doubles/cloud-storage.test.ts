import { createHash } from 'node:crypto';
import { describe, onTestFinished, test } from 'vitest';
import { crc32cOf } from '../../doubles/cloud-storage/checksums.ts';
import {
  type CloudStorageOptions,
  startCloudStorage,
} from '../../doubles/cloud-storage/cloud-storage.ts';

const BUCKET = 'bucket-1';

/** What answers of the API may hold. */
interface Resource {
  readonly generation: string;
  readonly size: string;
  readonly items?: readonly { readonly name: string }[];
  readonly prefixes?: readonly string[];
  readonly nextPageToken?: string;
  readonly done?: boolean;
  readonly rewriteToken?: string;
  readonly resource?: unknown;
}

const jsonOf = async (response: Response) => (await response.json()) as Resource;

async function aDouble(options: CloudStorageOptions = {}) {
  const double = await startCloudStorage({ buckets: [BUCKET], ...options });
  onTestFinished(() => double.close());
  const at = (path: string, init?: RequestInit) => fetch(`${double.url}${path}`, init);
  const upload = (name: string, body: string, query = '') =>
    at(`/upload/storage/v1/b/${BUCKET}/o?uploadType=media&name=${name}${query}`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'text/plain' },
    });
  const object = (name: string, query = '', init?: RequestInit) =>
    at(`/storage/v1/b/${BUCKET}/o/${encodeURIComponent(name)}${query}`, init);
  return { ...double, at, upload, object };
}

describe('objects', () => {
  test('a media upload has the resource that the API documents', async ({ expect }) => {
    const { upload, object } = await aDouble({ now: () => Date.UTC(2026, 0, 2) });
    const made = await jsonOf(await upload('a/b.txt', '123456789'));
    expect(made).toMatchObject({
      kind: 'storage#object',
      name: 'a/b.txt',
      bucket: BUCKET,
      size: '9',
      contentType: 'text/plain',
      metageneration: '1',
      // The check value of CRC-32C is e3069283.
      crc32c: Buffer.from('e3069283', 'hex').toString('base64'),
      md5Hash: createHash('md5').update('123456789').digest('base64'),
      timeCreated: '2026-01-02T00:00:00.000Z',
    });
    expect(await jsonOf(await object('a/b.txt'))).toEqual(made);
  });

  test('bytes come whole, in a range, or not at all', async ({ expect }) => {
    const { upload, object } = await aDouble();
    await upload('x', '0123456789');
    const whole = await object('x', '?alt=media');
    expect(await whole.text()).toBe('0123456789');
    expect(whole.headers.get('x-goog-hash')).toContain(
      `crc32c=${crc32cOf(Buffer.from('0123456789'))}`,
    );
    for (const [range, status, text, contentRange] of [
      ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
      ['bytes=7-99', 206, '789', 'bytes 7-9/10'],
      ['bytes=8-', 206, '89', 'bytes 8-9/10'],
      ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ] as const) {
      const part = await object('x', '?alt=media', { headers: { Range: range } });
      expect([part.status, await part.text()]).toEqual([status, text]);
      expect(part.headers.get('Content-Range')).toBe(contentRange);
    }
    const beyond = await object('x', '?alt=media', { headers: { Range: 'bytes=10-' } });
    expect(beyond.status).toBe(416);
    expect((await object('none', '?alt=media')).status).toBe(404);
  });

  test('metadata are merged by a patch, and taken away by null', async ({ expect }) => {
    const { upload, object } = await aDouble();
    const { generation } = await jsonOf(await upload('x', 'x'));
    const patch = (body: unknown) =>
      object('x', '', { method: 'PATCH', body: JSON.stringify(body) });
    await patch({ metadata: { a: '1', b: '2' } });
    const changed = await jsonOf(await patch({ metadata: { a: null, c: '3' } }));
    expect(changed).toMatchObject({
      metadata: { b: '2', c: '3' },
      metageneration: '3',
      generation,
    });
    expect((await object('x', '', { method: 'DELETE' })).status).toBe(204);
    expect((await object('x')).status).toBe(404);
  });

  test('preconditions hold for writes, reads and removals', async ({ expect }) => {
    const { upload, object } = await aDouble();
    const first = await jsonOf(await upload('x', '1', '&ifGenerationMatch=0'));
    expect((await upload('x', '2', '&ifGenerationMatch=0')).status).toBe(412);
    const { generation } = first;
    const next = await jsonOf(await upload('x', '2', `&ifGenerationMatch=${generation}`));
    expect(Number(next.generation)).toBeGreaterThan(Number(generation));
    expect((await object('x', `?generation=${generation}`)).status).toBe(404);
    expect((await object('x', `?ifGenerationMatch=${generation}`)).status).toBe(412);
    expect((await object('x', `?ifGenerationNotMatch=${next.generation}`)).status).toBe(304);
    expect((await object('x', '?ifMetagenerationMatch=2')).status).toBe(412);
    const stale = await object('x', `?ifGenerationMatch=${generation}`, { method: 'DELETE' });
    expect([stale.status, await stale.json()]).toMatchObject([
      412,
      { error: { code: 412, errors: [{ reason: 'conditionNotMet' }] } },
    ]);
  });

  test('lists by prefix and delimiter, in pages', async ({ expect }) => {
    const { at, upload } = await aDouble();
    for (const name of ['a', 'd/1', 'd/2', 'd/e/3', 'z']) await upload(name, '');
    const list = async (query: string) => jsonOf(await at(`/b/${BUCKET}/o?${query}`));
    const names = (page: Resource) => page.items?.map(({ name }) => name);
    const top = await list('delimiter=/');
    expect([names(top), top.prefixes]).toEqual([['a', 'z'], ['d/']]);
    const below = await list('prefix=d/&delimiter=/');
    expect([names(below), below.prefixes]).toEqual([['d/1', 'd/2'], ['d/e/']]);
    const seen: string[] = [];
    let token = '';
    do {
      const page = await list(`maxResults=2${token}`);
      seen.push(...(names(page) ?? []));
      token = page.nextPageToken === undefined ? '' : `&pageToken=${page.nextPageToken}`;
    } while (token !== '');
    expect(seen).toEqual(['a', 'd/1', 'd/2', 'd/e/3', 'z']);
    expect(names(await list('startOffset=d/2&endOffset=z'))).toEqual(['d/2', 'd/e/3']);
    expect((await at('/storage/v1/b/none-such/o')).status).toBe(404);
  });

  test('a rewrite of a generation may take several calls', async ({ expect }) => {
    const { at, upload, control } = await aDouble({ rewriteBytesPerCall: 4 });
    const { generation } = await jsonOf(await upload('from', '0123456789'));
    const rewrite = async (query: string) =>
      at(`/storage/v1/b/${BUCKET}/o/from/rewriteTo/b/${BUCKET}/o/to?${query}`, {
        method: 'POST',
        body: JSON.stringify({ metadata: { k: 'v' } }),
      });
    let calls = 0;
    let token = '';
    let answer: Partial<Resource> = {};
    while (answer.done !== true) {
      answer = await jsonOf(await rewrite(`sourceGeneration=${generation}${token}`));
      token = `&rewriteToken=${answer.rewriteToken}`;
      calls++;
    }
    expect(calls).toBe(3);
    expect(answer.resource).toMatchObject({ name: 'to', size: '10', metadata: { k: 'v' } });
    expect(control.object(BUCKET, 'to')?.bytes.toString()).toBe('0123456789');
    expect((await rewrite('ifGenerationMatch=0')).status).toBe(412);
    expect((await rewrite('ifSourceGenerationMatch=1')).status).toBe(412);
    expect((await rewrite('sourceGeneration=1')).status).toBe(404);
  });

  test('a multipart upload has a resource and bytes', async ({ expect }) => {
    const { at } = await aDouble();
    const body = [
      '--xyz\r\nContent-Type: application/json\r\n\r\n{"metadata":{"a":"1"}}\r\n',
      '--xyz\r\nContent-Type: text/x-log\r\n\r\nline\r\n\r\n\r\n--xyz--',
    ].join('');
    const made = await at(`/upload/storage/v1/b/${BUCKET}/o?uploadType=multipart&name=m`, {
      method: 'POST',
      headers: { 'Content-Type': 'multipart/related; boundary=xyz' },
      body,
    });
    const expected = { name: 'm', size: '8', contentType: 'text/x-log', metadata: { a: '1' } };
    expect(await made.json()).toMatchObject(expected);
  });
});

describe('buckets', () => {
  test('are made, listed and removed when empty', async ({ expect }) => {
    const { at, upload } = await aDouble();
    const make = (name: string) =>
      at('/storage/v1/b?project=p', { method: 'POST', body: JSON.stringify({ name }) });
    expect((await make('bucket-2')).status).toBe(200);
    expect((await make('bucket-2')).status).toBe(409);
    expect((await make('No_Good!')).status).toBe(400);
    expect((await jsonOf(await at('/b'))).items).toHaveLength(2);
    await upload('x', '');
    expect((await at(`/b/${BUCKET}`, { method: 'DELETE' })).status).toBe(409);
    expect((await at('/b/bucket-2', { method: 'DELETE' })).status).toBe(204);
    expect((await at('/b/bucket-2')).status).toBe(404);
  });

  test('are bounded', async ({ expect }) => {
    const { upload } = await aDouble({ maxBytes: 10 });
    expect((await upload('a', '12345678')).status).toBe(200);
    expect((await upload('b', '123')).status).toBe(500);
    expect((await upload('a', '1234567890')).status).toBe(200);
  });
});

describe('tokens', () => {
  test('are asked for, but not of a session', async ({ expect }) => {
    const { at, object } = await aDouble({ tokens: ['good'] });
    const headers = { Authorization: 'Bearer good' };
    expect((await object('x')).status).toBe(401);
    expect((await object('x', '', { headers })).status).toBe(404);
    const path = `/upload/storage/v1/b/${BUCKET}/o?uploadType=resumable&name=x`;
    expect((await at(path, { method: 'POST' })).status).toBe(401);
    const opened = await at(path, { method: 'POST', headers });
    const sent = await fetch(opened.headers.get('Location') ?? '', { method: 'PUT', body: 'abc' });
    expect([sent.status, (await jsonOf(sent)).size]).toEqual([200, '3']);
  });
});
