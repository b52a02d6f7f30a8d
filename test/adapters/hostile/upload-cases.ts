import { LIMITS } from '../../../shared/api/limits.ts';
import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import { aFile, aLayer, aTar, type BuiltLayer } from '../../doubles/tar-builder.ts';
import type { HostileCase } from './hostile-case.ts';
import type { Answer, HostileService } from './hostile-service.ts';

type Try = (service: HostileService, layer: BuiltLayer) => Promise<Answer>;

/** Ranges of a resumable upload that overlap, lie or make no sense. */
export const UPLOAD_CASES: readonly HostileCase[] = [
  range('no range', '', 'ontent-'),
  range('words for a range', 'bytes all', 'ontent-'),
  range('another unit', 'lines 0-1/2', 'ontent-'),
  range('a range of 40 digits', `bytes 0-${'9'.repeat(40)}/${'9'.repeat(40)}`, 'ontent-'),
  range('a range that ends before it begins', 'bytes 5-2/SIZE', '5-2'),
  range('a range beyond the total', 'bytes 0-SIZE/SIZE', 'bytes 0-'),
  range(
    'a range over the limit of one PUT',
    `bytes 0-${LIMITS.uploadChunkBytes}/${LIMITS.uploadChunkBytes * 2}`,
    `${LIMITS.uploadChunkBytes}`,
    'REQUEST_TOO_LARGE',
  ),
  range('another total than declared', 'bytes 0-9/7777', '7777', 'UPLOAD_CONFLICT'),
  range('a gap', 'bytes 20-29/SIZE', '20', 'UPLOAD_CONFLICT'),
  range('a question with another total', 'bytes */7777', '7777', 'UPLOAD_CONFLICT'),
  attempt(
    'a body longer than its range',
    'REQUEST_INVALID',
    '10',
    ({ put }, { blob, declaration }) =>
      put(declaration.diffId, `bytes 0-9/${declaration.blobSize}`, blob.subarray(0, 30)),
  ),
  attempt(
    'a body shorter than its range',
    'REQUEST_INVALID',
    '30',
    ({ put }, { blob, declaration }) =>
      put(declaration.diffId, `bytes 0-29/${declaration.blobSize}`, blob.subarray(0, 10)),
  ),
  attempt('a range without a body', 'REQUEST_INVALID', '30', ({ put }, { declaration }) =>
    put(declaration.diffId, `bytes 0-29/${declaration.blobSize}`, new Uint8Array()),
  ),
  attempt(
    'a gap behind what overlaps',
    'UPLOAD_CONFLICT',
    '20',
    async ({ put }, { blob, declaration }) => {
      const { diffId, blobSize } = declaration;
      await put(diffId, `bytes 0-9/${blobSize}`, blob.subarray(0, 10));
      await put(diffId, `bytes 5-19/${blobSize}`, blob.subarray(5, 20));
      return put(diffId, `bytes 21-29/${blobSize}`, blob.subarray(21, 30));
    },
  ),
  attempt(
    'an overlap that is not the same bytes',
    'LAYER_INVALID',
    'Layer refused',
    async (service, { blob, declaration }) => {
      const { diffId, blobSize } = declaration;
      await service.put(diffId, `bytes 0-29/${blobSize}`, Buffer.alloc(30, 'evil'));
      await service.put(diffId, `bytes 10-${blobSize - 1}/${blobSize}`, blob.subarray(10));
      return service.post(`/v1/layers/${diffId}/complete`, {});
    },
  ),
  attempt(
    'an end before all bytes',
    'UPLOAD_CONFLICT',
    '10 of',
    async (service, { blob, declaration }) => {
      const { diffId, blobSize } = declaration;
      await service.put(diffId, `bytes 0-9/${blobSize}`, blob.subarray(0, 10));
      return service.post(`/v1/layers/${diffId}/complete`, {});
    },
  ),
  {
    name: 'upload: bytes without a declaration',
    code: 'UPLOAD_NOT_FOUND',
    says: 'aaaa',
    send: ({ put }) => put('a'.repeat(64), 'bytes 0-3/4', Buffer.from('evil')),
  },
  {
    name: 'upload: an end without a declaration',
    code: 'UPLOAD_NOT_FOUND',
    says: 'aaaa',
    send: ({ post }) => post(`/v1/layers/${'a'.repeat(64)}/complete`, {}),
  },
  {
    name: 'upload: bytes to a path',
    code: 'REQUEST_INVALID',
    says: '../../evil',
    send: ({ put }) => put(encodeURIComponent('../../evil'), 'bytes 0-3/4', Buffer.from('evil')),
  },
];

function range(
  ...[name, text, says, code = 'REQUEST_INVALID']: readonly [string, string, string, ErrorCode?]
): HostileCase {
  return attempt(name, code, says, ({ put }, { blob, declaration }) =>
    put(
      declaration.diffId,
      text.replaceAll('SIZE', String(declaration.blobSize)),
      text.includes('*') ? new Uint8Array() : blob.subarray(0, 10),
    ),
  );
}

function attempt(
  ...[name, code, says, send]: readonly [string, ErrorCode, string, Try]
): HostileCase {
  return {
    name: `upload: ${name}`,
    code,
    says,
    async send(service) {
      const layer = aLayer(aTar(aFile(`usr/app/${name.replaceAll(' ', '-')}`, name)));
      const begun = await service.declare(layer);
      return begun.status === 200 ? send(service, layer) : begun;
    },
  };
}
