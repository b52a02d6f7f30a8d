import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { aFile, aTar } from './tar-builder.ts';

/** An image made by hand: its blobs by digest, and its manifest. */
export interface HandmadeImage {
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly manifest: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
}

/** `sha256:…` of some bytes. */
export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

const DOCKER = 'application/vnd.docker';

/** An image of one file, as Docker writes it. */
export function aBase(platform = { os: 'linux', architecture: 'amd64' }): HandmadeImage {
  const tar = aTar(aFile('etc/hostname', randomUUID()));
  const layer = gzipSync(tar);
  const config = Buffer.from(
    JSON.stringify({
      ...platform,
      created: '2026-11-01T00:00:00Z',
      config: { User: '1000:1000', Env: ['PATH=/bin'], WorkingDir: '/usr/app', Cmd: ['never'] },
      rootfs: { type: 'layers', diff_ids: [sha256(tar)] },
      history: [],
    }),
  );
  const mediaType = `${DOCKER}.distribution.manifest.v2+json`;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: described(`${DOCKER}.container.image.v1+json`, config),
      layers: [described(`${DOCKER}.image.rootfs.diff.tar.gzip`, layer)],
    }),
  );
  const blobs = new Map([config, layer].map((blob) => [sha256(blob), blob]));
  return { blobs, manifest, mediaType, digest: sha256(manifest) };
}

/** An index of images, by platform. */
export function anIndex(
  images: readonly { readonly image: HandmadeImage; readonly architecture: string }[],
): HandmadeImage {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const manifests = images.map(({ image, architecture }) => ({
    ...described(image.mediaType, image.manifest),
    platform: { os: 'linux', architecture },
  }));
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return { blobs: new Map(), manifest, mediaType, digest: sha256(manifest) };
}

/** Pushes an image over the API; `repository` as in `127.0.0.1:5000/team/base`. */
export async function pushImage(
  repository: string,
  version: string,
  image: HandmadeImage,
): Promise<void> {
  const [host, ...path] = repository.split('/');
  const base = `http://${host}/v2/${path.join('/')}`;
  for (const [digest, body] of image.blobs) {
    const opened = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const at = new URL(opened.headers.get('location') ?? '', base);
    at.searchParams.set('digest', digest);
    const sent = await fetch(at, { method: 'PUT', body });
    if (sent.status !== 201) throw new Error(`${digest}: ${sent.status} ${await sent.text()}`);
  }
  const headers = { 'content-type': image.mediaType };
  const put = await fetch(`${base}/manifests/${version}`, {
    method: 'PUT',
    headers,
    body: image.manifest,
  });
  if (put.status !== 201) throw new Error(`${version}: ${put.status} ${await put.text()}`);
}

function described(mediaType: string, bytes: Uint8Array) {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}
