import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HandmadeImage } from './handmade-image.ts';

/** What a registry elsewhere does with a request; undefined: what it does anyway. */
export type Twist = (path: string, response: ServerResponse) => boolean;

/**
 * A registry elsewhere, that can be read: it has one image under any name, and gives it to who brings the token that its realm gives to
 * anyone, `guest-SCOPE`.
 */
export function foreignRegistry(image: HandmadeImage, realm: string, twist: Twist = () => false) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://host');
    if (pathname === '/token') {
      const token = `guest-${searchParams.get('scope')}`;
      return void response.end(JSON.stringify({ token, expires_in: 300 }));
    }
    const [, name = '', kind, version = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(pathname) ?? [];
    const scope = `repository:${name}:pull`;
    if (request.headers.authorization !== `Bearer guest-${scope}`) {
      const challenge = `Bearer realm="${realm}",service="double",scope="${scope}"`;
      response.writeHead(401, { 'www-authenticate': challenge });
      return void response.end();
    }
    if (!twist(pathname, response)) answer(response, image, { kind, version });
  };
}

function answer(
  response: ServerResponse,
  image: HandmadeImage,
  asked: { readonly kind: string | undefined; readonly version: string },
): void {
  const isManifest = asked.kind === 'manifests';
  const body = isManifest ? image.manifest : image.blobs.get(asked.version);
  if (body === undefined) response.writeHead(404);
  else if (isManifest) response.setHeader('content-type', image.mediaType);
  response.end(body ?? JSON.stringify({ errors: [{ code: 'BLOB_UNKNOWN' }] }));
}
