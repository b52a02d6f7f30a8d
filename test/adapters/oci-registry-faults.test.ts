import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, test } from 'vitest';
import { createOciRegistry } from '../../functions/adapters/gcp/oci-registry.ts';
import { foreignRegistry, type Twist } from '../doubles/foreign-registry.ts';
import { aBase, pushImage } from '../doubles/handmade-image.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import type { Cleanup } from '../fixtures/docker-platform.ts';
import { codeLayer, layerSource } from '../fixtures/engine-registry.ts';
import { serveHttp } from '../fixtures/loopback-server.ts';
import { openOciRegistry } from '../fixtures/oci-registry.ts';
import { hasPart } from '../fixtures/require.ts';
import { routedFetch, type SeenRequest } from '../fixtures/routed-fetch.ts';

const OWN = 'europe-docker.pkg.dev';
const HUB = 'registry-1.docker.io';
const REPOSITORY = `${OWN}/project/caliban`;
const REALM = 'https://auth.docker.io/token';

interface Setup {
  readonly twist?: Twist;
  readonly before?: (request: SeenRequest) => Response | undefined;
}

/** A hosted registry in front of a real one, and Docker's hub with one image. */
async function hosted(onTestFinished: Cleanup, { twist, before }: Setup = {}) {
  const own = await openOciRegistry(onTestFinished);
  const image = aBase();
  const hub = await serveHttp(foreignRegistry(image, REALM, twist));
  onTestFinished(() => hub.close());
  const at = `127.0.0.1:${hub.port}`;
  const routes = { [OWN]: own.host, [HUB]: at, 'auth.docker.io': at, 'cdn.example': at };
  const fetch = routedFetch(routes, before);
  const waits: number[] = [];
  const layer = codeLayer('one', randomUUID());
  const registry = createOciRegistry({
    repository: REPOSITORY,
    layers: layerSource([layer]),
    accessToken: async () => 'secret',
    fetch,
    clock: { now: () => Date.now(), sleep: async (ms) => void waits.push(ms) },
    log: SILENT_LOG,
  });
  const { diffId } = layer.declaration;
  return { own, image, registry, seen: fetch.seen, waits, diffId };
}

describe.runIf(hasPart('registry'))('the registry of a hosted service', () => {
  test('gets the service’s token, nobody else does; others give tokens to anyone', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry, image, seen } = await hosted(onTestFinished);
    const found = { state: 'found', digest: image.digest };
    expect(await registry.resolve('python:3.12-slim')).toEqual(found);
    expect(await registry.resolve(image.digest)).toEqual(found);
    for (const { url, authorization } of seen) {
      if (url.host === OWN) expect(authorization).toBe('Bearer secret');
      else expect(authorization ?? '').not.toContain('secret');
    }
    const scope = 'repository:library/python:pull';
    const token = seen.find(({ url }) => url.host === 'auth.docker.io');
    expect(token?.url.href).toBe(`${REALM}?service=double&scope=${encodeURIComponent(scope)}`);
    const asked = seen.filter(({ url }) => url.host === HUB);
    expect(asked.map(({ authorization }) => authorization)).toEqual([
      null,
      ...Array(asked.length - 1).fill(`Bearer guest-${scope}`),
    ]);
  });

  test.for(['evil.example', 'evil-docker.pkg.dev.example', `${OWN}.example`, `${OWN}:444`])(
    '%s gets no token',
    async (host, { expect, onTestFinished }) => {
      const { registry, seen } = await hosted(onTestFinished);
      expect(await registry.resolve(`${host}/team/image:1`)).toMatchObject({ state: 'absent' });
      expect(seen.map(({ url, authorization }) => [url.host, authorization])).toContainEqual([
        host,
        null,
      ]);
      expect(seen.every(({ authorization }) => authorization === null)).toBe(true);
    },
  );

  test('a blob elsewhere is fetched from there without a token, never without TLS', async ({
    expect,
    onTestFinished,
  }) => {
    let to = 'https://cdn.example';
    const twist: Twist = (path, response) => {
      if (!path.includes('/blobs/')) return false;
      response.writeHead(307, { location: `${to}${path}` });
      response.end();
      return true;
    };
    const before = ({ url }: SeenRequest) => {
      const blob = setup.image.blobs.get(url.pathname.split('/').at(-1) ?? '');
      return url.host === 'cdn.example' ? new Response(blob ?? null) : undefined;
    };
    const setup = await hosted(onTestFinished, { twist, before });
    const { registry, image, seen } = setup;
    to = 'http://169.254.169.254';
    expect(await registry.resolve('team/base')).toMatchObject({ state: 'absent' });
    expect(seen.every(({ url }) => url.protocol === 'https:')).toBe(true);
    to = 'https://cdn.example';
    expect(await registry.resolve('team/base')).toEqual({ state: 'found', digest: image.digest });
    const elsewhere = seen.filter(({ url }) => url.host === 'cdn.example');
    expect(elsewhere.map(({ authorization }) => authorization)).toEqual([null, null]);
  });

  test.for(['https://evil.example', `https://${OWN}:444`])(
    'an upload that it wants at %s goes there without the token',
    async (to, { expect, onTestFinished }) => {
      const before = uploadsAt(`${to}/upload`);
      const { registry, image, seen } = await hosted(onTestFinished, { before });
      await registry.resolve('team/base');
      const sent = seen.filter(({ url }) => url.pathname === '/upload');
      expect(sent.map(({ method, url }) => [method, url.origin])).toEqual(
        Array(image.blobs.size).fill(['PUT', to]),
      );
      expect(sent.every(({ authorization }) => authorization === null)).toBe(true);
    },
  );

  test('an upload that it wants at its own origin gets the token', async ({
    expect,
    onTestFinished,
  }) => {
    const before = uploadsAt(`https://${OWN}:443/upload`);
    const { registry, seen } = await hosted(onTestFinished, { before });
    await registry.resolve('team/base');
    const sent = seen.filter(({ url }) => url.pathname === '/upload');
    expect(new Set(sent.map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer secret']),
    );
  });

  test.for([
    `http://${OWN}`,
    'http://evil.example',
    'http://169.254.169.254',
    'http://127.0.0.1:5000',
  ])('an upload that it wants at %s goes nowhere', async (to, { expect, onTestFinished }) => {
    const before = uploadsAt(`${to}/upload?_state=private`);
    const { registry, seen, waits } = await hosted(onTestFinished, { before });
    const failure: unknown = await registry.resolve('team/base').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'UNAVAILABLE' });
    expect(String(failure)).toContain(`uploads at ${to}, which is not https`);
    expect(seen.filter(({ method }) => method === 'PUT')).toEqual([]);
    expect(waits).toEqual([]);
  });

  test('that is busy is asked again, as late as it wants', async ({ expect, onTestFinished }) => {
    const busy = [
      new Response('', { status: 429, headers: { 'retry-after': '7' } }),
      new Response('', { status: 503 }),
    ];
    const before = ({ url }: SeenRequest) => (url.host === HUB ? busy.shift() : undefined);
    const { registry, image, waits } = await hosted(onTestFinished, { before });
    expect(await registry.resolve('team/base')).toMatchObject({ digest: image.digest });
    expect(waits).toHaveLength(2);
    expect(waits[0]).toBeGreaterThan(7000);
    expect(waits[1]).toBeLessThan(7000);
  });

  test.for([429, 500, 503])(
    'that always answers %i is UNAVAILABLE in the end',
    async (status, { expect, onTestFinished }) => {
      const before = ({ url }: SeenRequest) =>
        url.host === OWN ? new Response('', { status }) : undefined;
      const { registry, waits } = await hosted(onTestFinished, { before });
      await expect(registry.resolve('team/base')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(waits).toHaveLength(4);
    },
  );

  test('that lets the service not write says which role it lacks', async ({
    expect,
    onTestFinished,
  }) => {
    const said = {
      errors: [{ code: 'DENIED', message: 'Permission "upload" denied on resource' }],
    };
    const before = ({ method }: SeenRequest) =>
      method === 'POST' ? Response.json(said, { status: 403 }) : undefined;
    const { registry } = await hosted(onTestFinished, { before });
    await expect(registry.resolve('team/base')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('Permission "upload" denied'),
      hint: expect.stringContaining('roles/artifactregistry.writer'),
    });
  });

  test('a foreign registry with other bytes than it says is refused', async ({
    expect,
    onTestFinished,
  }) => {
    const twist: Twist = (path, response) => {
      const blob = setup.image.blobs.get(path.split('/').at(-1) ?? '');
      if (blob === undefined) return false;
      response.end(Buffer.alloc(blob.length, 'x'));
      return true;
    };
    const setup = await hosted(onTestFinished, { twist });
    const { registry, image, own } = setup;
    const otherManifest = `team/base@sha256:${'a'.repeat(64)}`;
    expect(await registry.resolve(otherManifest)).toMatchObject({
      state: 'absent',
      message: expect.stringContaining('another digest'),
    });
    expect(await registry.resolve('team/base')).toMatchObject({
      state: 'absent',
      message: expect.stringContaining('has other bytes'),
    });
    const append = registry.append({ base: 'team/base', layers: [], entrypoint: ['true'] });
    await expect(append).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    const found = await own.registry.resolve(image.digest);
    expect(found).toMatchObject({ state: 'absent' });
  });

  test('a host that nobody knows is absent; one that does not answer is UNAVAILABLE', async ({
    expect,
    onTestFinished,
  }) => {
    const { registry } = await hosted(onTestFinished);
    const reference = 'registry.invalid/team/base:1';
    expect(await registry.resolve(reference)).toMatchObject({
      state: 'absent',
      message: expect.stringContaining('registry.invalid'),
    });
    const { registry: real } = await openOciRegistry(onTestFinished);
    expect(await real.resolve('127.0.0.1:1/team/base:1')).toMatchObject({ state: 'absent' });
    const gone = await serveHttp(() => undefined);
    await gone.close();
    await expect(real.resolve(`127.0.0.1:${gone.port}/team/base:1`)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe.runIf(hasPart('registry'))('an upload that breaks off', () => {
  test('begins anew, and what is there is not sent again', async ({ expect, onTestFinished }) => {
    const own = await openOciRegistry(onTestFinished);
    const big = codeLayer('one', 'x'.repeat(3_000_000));
    const { diffId } = big.declaration;
    let cuts = 0;
    const puts: string[] = [];
    // A PUT of the layer is cut once in its midst.
    const proxy = await serveHttp((request, response) => {
      const isBlob = request.method === 'PUT' && request.url?.includes('uploads') === true;
      if (isBlob) puts.push(request.url ?? '');
      if (!isBlob || cuts > 0 || !request.url?.includes(diffId)) {
        return forward(own.host, request, response);
      }
      request.once('data', () => {
        cuts += 1;
        request.socket.destroy();
      });
    });
    onTestFinished(() => proxy.close());
    const at = `127.0.0.1:${proxy.port}`;
    await pushImage(`${own.host}/p/c/deps`, 'base', own.image);
    const registry = createOciRegistry({
      repository: `${at}/p/c`,
      layers: layerSource([big]),
      accessToken: null,
      fetch,
      clock: { now: () => Date.now(), sleep: async () => undefined },
      log: SILENT_LOG,
    });
    const image = { base: `${at}/p/c/deps:base`, layers: [diffId], entrypoint: ['true'] };
    const made = await registry.append(image);
    expect(cuts).toBe(1);
    expect(puts.filter((url) => url.includes(diffId))).toHaveLength(2);
    const sent = puts.length;
    await registry.append({ ...image, entrypoint: ['false'] });
    expect(puts).toHaveLength(sent + 1); // its configuration
    expect(await registry.append(image)).toEqual(made);
    expect(puts).toHaveLength(sent + 1);
  });
});

/** A registry of the service that takes all, and wants blobs at that address. */
function uploadsAt(location: string): NonNullable<Setup['before']> {
  return ({ method }) => {
    if (method === 'POST') return new Response(null, { status: 202, headers: { location } });
    return method === 'PUT' ? new Response(null, { status: 201 }) : undefined;
  };
}

/** Hands a request on to a server, and its answer back. The host stays as it was asked for. */
function forward(host: string, request: IncomingMessage, response: ServerResponse): void {
  const [hostname, port] = host.split(':');
  const { method, url: path, headers } = request;
  const onward = httpRequest({ hostname, port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  request.pipe(onward);
}
