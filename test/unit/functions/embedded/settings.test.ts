import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { checkCaBundle } from '../../../../functions/embedded/settings.ts';
import { aTemporaryDirectory } from '../../../doubles/layer-upload.ts';

describe('a certificate bundle', () => {
  test('none is fine', async () => {
    await checkCaBundle(settings(null));
  });

  test('is a PEM file', async () => {
    const path = join(await aTemporaryDirectory(), 'ca.pem');
    await writeFile(path, '# ours\n-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n');
    await checkCaBundle(settings(path));
  });

  test.for(['no such file', 'not PEM'])('%s is refused by name', async (what, { expect }) => {
    const path = join(await aTemporaryDirectory(), 'ca.pem');
    if (what === 'not PEM') await writeFile(path, 'binary');
    await expect(checkCaBundle(settings(path))).rejects.toMatchObject({
      code: 'SERVE_REFUSED',
      message: expect.stringContaining(path),
      hint: expect.stringContaining('--ca_bundle'),
    });
  });
});

function settings(caBundle: string | null) {
  return { baseImage: null, caBundle, indexUrl: null };
}
