import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { copyLayers } from '../../../../../../functions/adapters/local/layers/layer-backup.ts';
import { aTemporaryDirectory } from '../../../../../doubles/layer-upload.ts';

test('a layer that is finished at any moment of a backup is in the copy', async (t) => {
  // Each entry that is copied is asked first whether the copy goes on: a moment for the service to finish the layer in.
  for (let moment = 1; ; moment++) {
    const dir = await aTemporaryDirectory();
    const from = join(dir, 'layers');
    for (const place of ['ab', 'staging', 'zz']) {
      mkdirSync(join(from, place), { recursive: true });
      writeFileSync(join(from, place, 'other'), '');
    }
    writeFileSync(join(from, 'staging', 'layer.part'), 'bytes');
    let asked = 0;
    const { signal } = new AbortController();
    signal.throwIfAborted = () => {
      asked += 1;
      if (asked !== moment) return;
      renameSync(join(from, 'staging', 'layer.part'), join(from, 'ab', 'layer'));
    };
    const to = join(dir, 'copy');
    await copyLayers(from, to, { files: 0, bytes: 0, unreadable: [], signal });
    const copied = readdirSync(to, { recursive: true, encoding: 'utf8' });
    t.expect(
      copied.filter((path) => /^(ab\/layer|staging\/layer\.part)$/.test(path)),
      `finished at moment ${moment}`,
    ).not.toEqual([]);
    if (asked < moment) return;
  }
});
