import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { openServiceLog } from '../../../../functions/embedded/runtime.ts';
import { aTemporaryDirectory } from '../../../doubles/layer-upload.ts';

describe('log of the service', () => {
  test('tells an error with its stack, a text as it is', async ({ expect }) => {
    const path = join(await aTemporaryDirectory(), 'logs', 'service.log');
    const log = openServiceLog(path);
    const error = new Error('disk full');
    log.error({ lane: 'here', error }, 'sync failed');
    log.warn({ error: 'Error: busy' }, 'step failed');
    log.close();
    const [first, second] = (await readFile(path, 'utf8')).trim().split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({
      message: 'sync failed',
      lane: 'here',
      err: { message: 'disk full', stack: error.stack },
    });
    expect(JSON.parse(second ?? '')).toMatchObject({ error: 'Error: busy' });
  });

  test('what comes after its end is dropped, and hinders nobody', async ({ expect }) => {
    const path = join(await aTemporaryDirectory(), 'service.log');
    const log = openServiceLog(path);
    log.info({}, 'serving');
    log.close();
    log.info({}, 'too late');
    log.close();
    expect(await readFile(path, 'utf8')).toMatch(/^.*serving.*\n$/);
  });
});
