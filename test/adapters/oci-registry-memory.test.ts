import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'vitest';
import { createRegistryRequests } from '../../functions/adapters/gcp/registry-requests.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const PIECE = 1024 * 1024;
const PIECES = 400;

// `fetch` keeps a copy of what it sends, unless it is told that nobody will need it again.
test('of a blob that is sent, only a little is in memory', async ({ expect, onTestFinished }) => {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(201).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  async function* pieces() {
    for (let sent = 0; sent < PIECES; sent++) {
      yield new Uint8Array(PIECE);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
  }
  const requests = createRegistryRequests({
    ...{ host, accessToken: null, fetch, clock: systemClock, random: () => 0 },
  });
  const purpose = { host, name: 'team/image', writes: true };
  const url = new URL(`http://${host}/upload`);
  const upload = { url, purpose, size: PIECE * PIECES, source: pieces() };
  expect((await requests.upload(upload)).status).toBe(201);
  expect(most).toBeLessThan((PIECES * PIECE) / 2);
});
